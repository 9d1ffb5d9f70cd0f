// What the pages do better where scripts run. Without it everything works all the same.

const policy = self.trustedTypes ? trustedTypes.createPolicy("pillarbox", { createHTML: (html) => html }) : null;
const language = document.documentElement.lang;

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
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copies);
  const before = button.textContent;
  button.textContent = "\u2713";
  setTimeout(() => { button.textContent = before; }, 1500);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

/** A form is sent once; its button says that it works. */
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) { event.preventDefault(); return; }
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
  const source = document.querySelector("[data-live-from]")?.dataset.liveFrom;
  if (!source || !self.EventSource) return;
  let waiting = false;
  const renew = async () => {
    waiting = false;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
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
  new EventSource(source).addEventListener("message", () => {
    if (!waiting && !document.hidden) { waiting = true; setTimeout(renew, 1000); }
  });
}

offerMore(document);
followLive();
