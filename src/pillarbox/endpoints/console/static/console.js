// What the pages do better where scripts run. Without it everything works all the same.

const policy = self.trustedTypes ? trustedTypes.createPolicy("pillarbox", { createHTML: (html) => html }) : null;
const language = document.documentElement.lang;
const COPIED = "\u2713";

/** Times as the reader's own clock shows them. */
function tellTimes(within) {
  const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of within.querySelectorAll("time[datetime]")) {
    const shown = format.format(new Date(Number(time.dateTime) * 1000));
    if (time.textContent !== shown) {
      time.title = time.textContent;
      time.textContent = shown;
    }
  }
}

/** Buttons that copy what stands beside them. */
function offerCopies(within) {
  for (const button of within.querySelectorAll("[data-copies]")) {
    button.hidden = !navigator.clipboard;
  }
}

function offerMore(within) {
  tellTimes(within);
  offerCopies(within);
  for (const one of within.querySelectorAll("[data-hides]")) one.hidden = true;
  for (const one of within.querySelectorAll("[data-shows]")) one.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copies);
  const before = button.textContent;
  if (before === COPIED) return;
  button.textContent = COPIED;
  setTimeout(() => { button.textContent = before; }, 1500);
});

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.matches("[data-chooses]")) {
    for (const one of field.form.elements) if (one.name === field.dataset.chooses) one.checked = field.checked;
  }
  if (field.matches("[data-most]")) {
    const bytes = Array.from(field.files, (file) => file.size).reduce((one, other) => one + other, 0);
    field.setCustomValidity(bytes > Number(field.dataset.most) ? field.dataset.says : "");
    field.reportValidity();
  }
});

/** How far the reader's clock is behind UTC at the time that a field says, in minutes. */
function sayOffsets(form) {
  for (const hidden of form.querySelectorAll("[data-offset-of]")) {
    const fields = hidden.dataset.offsetOf.split(" ").map((id) => document.getElementById(id));
    const given = fields.find((field) => field.value);
    hidden.value = given ? new Date(given.value).getTimezoneOffset() : "";
  }
}

/** A form that does something is sent once; its button says that it works. One that asks may answer with a file. */
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  sayOffsets(event.target);
  if (event.target.method === "get") return;
  event.target.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }
});

/** Parts of the page that are told anew when something happens: those with `data-live`, by their id. */
function followLive() {
  const { liveFrom: source, livePage: page = location.href } = document.querySelector("[data-live-from]")?.dataset ?? {};
  if (!source || !self.EventSource) return;
  const lost = document.getElementById("lost").content.firstElementChild;
  let waiting = false;
  const renew = async () => {
    waiting = false;
    const answer = await fetch(page, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer === null || answer.status >= 500) document.getElementById("main").prepend(lost);
    else lost.remove();
    // To the sign-in, when the session is over: what stands here is not true for long.
    if (answer?.redirected) location.assign(answer.url);
    if (!answer?.ok || answer.redirected) return;
    const html = await answer.text();
    const fresh = new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      // What somebody is using stays as it is until they leave it.
      if (!next || part.contains(document.activeElement) || part.querySelector("details[open], input:checked")) continue;
      offerMore(next);
      if (next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
    }
  };
  // A browser opens few connections to one place: a page that nobody looks at needs none.
  let heard = null;
  const listen = () => {
    if (document.hidden) {
      heard?.close();
      heard = null;
    } else if (!heard) {
      heard = new EventSource(source);
      heard.addEventListener("message", () => {
        if (!waiting) { waiting = true; setTimeout(renew, 1000); }
      });
      // A browser comes again by itself, but never where it was refused: as the session is over, or by a proxy while
      // the service starts anew.
      heard.addEventListener("error", () => {
        renew();
        if (heard?.readyState !== EventSource.CLOSED) return;
        heard = null;
        setTimeout(listen, 5000);
      });
    }
  };
  document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden) renew(); });
  listen();
}

offerMore(document);
followLive();
