"""Every word of the doctor is said somewhere, and all that it says are words."""

import re
from pathlib import Path

import pillarbox
from pillarbox.core import catalogue

SRC = Path(pillarbox.__file__).parent
FILES = (*SRC.glob("admin/examine/*.py"), SRC / "admin/doctor.py", SRC / "endpoints/api/doctor.py")


def test_the_words_of_the_doctor_are_those_that_it_says() -> None:
    said = {code for file in FILES for code in re.findall(r'"(doctor\.[a-z_]+)"', file.read_text("utf-8"))}
    words = {**catalogue.entries(), **catalogue.findings()}
    assert said == {code for code in words if code.startswith("doctor.")}
