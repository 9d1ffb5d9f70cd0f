// Microsoft's libraries for Node, and nodemailer, against the emulator. Reads the facts from stdin.
// Prints one JSON line per check: {"check": name, "result": what was seen}.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The packages lie in the folder that is named, not beside this file.
const load = createRequire(`${process.argv[2]}/`);
const { ConfidentialClientApplication } = load("@azure/msal-node");
const { Client, LargeFileUploadTask, PageIterator, StreamUpload } = load("@microsoft/microsoft-graph-client");
const nodemailer = load("nodemailer");

const facts = JSON.parse(readFileSync(0, "utf-8"));
const host = new URL(facts.url).host;
const ALICE = "/users/alice@contoso.example";
const MEGABYTE = 1024 * 1024;

function report(check, result) {
  console.log(JSON.stringify({ check, result }));
}

async function tokenOf(name, scope) {
  const app = facts.apps.find((each) => each.name === name);
  const auth = { clientId: app.client_id, clientSecret: app.client_secret, authority: facts.authority };
  const client = new ConfidentialClientApplication({ auth: { ...auth, knownAuthorities: [host] } });
  return (await client.acquireTokenByClientCredential({ scopes: [scope] })).accessToken;
}

function graphOf(name) {
  const authProvider = { getAccessToken: () => tokenOf(name, `${facts.url}/.default`) };
  return Client.initWithMiddleware({ authProvider, baseUrl: `${facts.url}/`, customHosts: new Set(["localhost"]) });
}

const letter = (subject) => ({
  subject,
  body: { contentType: "Text", content: "Hello" },
  toRecipients: [{ emailAddress: { address: "bob@contoso.example" } }],
});

report("token", (await tokenOf("Mail gateway", `${facts.url}/.default`)).split(".").length);

try {
  await tokenOf("Mail gateway", "https://nothing.example/.default");
} catch (error) {
  report("token_refused", [error.errorCode, /AADSTS\d+/.exec(error.errorMessage)?.[0]]);
}

for (let number = 0; number < 12; number += 1) {
  await graphOf("Mail gateway").api(`${ALICE}/sendMail`).post({ message: letter(`mail ${number}`) });
}
report("send_mail", "accepted");

try {
  await graphOf("No consent").api(`${ALICE}/sendMail`).post({ message: letter("refused") });
} catch (error) {
  report("send_mail_refused", [error.statusCode, error.code]);
}

const subjects = [];
const first = await graphOf("Reader").api("/users/bob@contoso.example/messages").select("subject").top(5).get();
await new PageIterator(graphOf("Reader"), first, (message) => subjects.push(message.subject)).iterate();
report("paging", subjects.length);

const writer = graphOf("Writer");
const draft = await writer.api(`${ALICE}/messages`).post(letter("a draft"));
const item = { attachmentType: "file", name: "large.bin", size: 4 * MEGABYTE };
const sessions = `${facts.graph}${ALICE}/messages/${draft.id}/attachments/createUploadSession`;
const session = await LargeFileUploadTask.createUploadSession(writer, sessions, { AttachmentItem: item });
// At Microsoft the upload URL has a host of its own, to which the client sends no token; here it sends none either.
const anonymous = Client.initWithMiddleware({ authProvider: { getAccessToken: async () => "" }, baseUrl: `${facts.url}/` });
const file = { name: "large.bin", size: 4 * MEGABYTE, content: Buffer.alloc(4 * MEGABYTE, 7), sliceFile: (range) => file.content.subarray(range.minValue, range.maxValue + 1) };
const upload = await new LargeFileUploadTask(anonymous, file, session, { rangeSize: 2 * MEGABYTE }).upload();
report("upload", Boolean(upload.location));
await writer.api(`${ALICE}/messages/${draft.id}/send`).post({});
const sent = await writer.api(`${ALICE}/mailFolders/sentitems/messages`).filter("subject eq 'a draft'").get();
report("draft", [sent.value.length, sent.value[0].hasAttachments]);

const { host: smtp, port } = facts.smtp;
const accessToken = await tokenOf("Exchange", "https://outlook.office365.com/.default");
const user = "scanner@contoso.example";
const transport = nodemailer.createTransport({
  host: smtp, port, requireTLS: true, tls: { servername: "localhost" }, auth: { type: "OAuth2", user, accessToken },
});
const mail = await transport.sendMail({ from: user, to: "bob@contoso.example", subject: "nodemailer", text: "Hello" });
report("smtp", mail.response.slice(0, 12));

try {
  const auth = { user, pass: "a password" };
  await nodemailer.createTransport({ host: smtp, port, requireTLS: true, tls: { servername: "localhost" }, auth }).verify();
} catch (error) {
  report("smtp_password_refused", [error.responseCode, error.response.split(".").at(0)]);
}
transport.close();
