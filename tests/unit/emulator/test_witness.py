"""What the witness of an emulator is told: the true answers, and no others."""

from pillarbox.emulator.faults import Fault
from tests.openapi.recorder import Heard, Recorder
from tests.unit.emulator.conftest import Client

SEND = ("POST", "/users/{user-id}/sendMail")


async def test_each_answer_of_graph_reaches_the_recorder(client: Client, recorder: Recorder) -> None:
    before = recorder.answers["validated"]
    await client.send()
    await client.graph("GET", "/nowhere")
    assert recorder.answers["validated"] == before + 2


async def test_what_a_fault_rule_answers_does_not(client: Client, recorder: Recorder) -> None:
    await client.token()
    before = dict(recorder.answers), recorder.graph.get(SEND, Heard()).refused
    client.emulator.faults.add(Fault(status=503, path="sendMail"))
    assert (await client.send()).status == 503
    assert recorder.answers["validated"] == before[0].get("validated", 0)
    assert recorder.graph.get(SEND, Heard()).refused == before[1]
