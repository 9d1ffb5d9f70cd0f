// What is wrong with how a page looks at this width: told as one line each.
() => {
  const found = [];
  const told = (element) => {
    const name = element.tagName.toLowerCase() + (element.id ? `#${element.id}` : "") + [...element.classList].map((one) => `.${one}`).join("");
    return `<${name}> "${(element.textContent || element.value || "").trim().replace(/\s+/g, " ").slice(0, 60)}"`;
  };
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push(`the page scrolls sideways: ${document.documentElement.scrollWidth} of ${width}`);

  // What a reader of the screen alone hears stands far out, and what is within its own scroll bars is reached by them.
  const isUnseen = (element, box) => box.width === 0 || box.height === 0 || box.right <= 0 || getComputedStyle(element).visibility === "hidden";
  const scrolls = (element) => {
    for (let one = element.parentElement; one; one = one.parentElement) {
      if (["auto", "scroll"].includes(getComputedStyle(one).overflowX) && one.clientWidth) return true;
    }
    return false;
  };
  const isField = (element) => element.matches("input, textarea, select, option, iframe, progress, meter");
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("svg, details:not([open]) > :not(summary)")) continue;
    const box = element.getBoundingClientRect();
    if (isUnseen(element, box) || scrolls(element)) continue;
    if (box.right > width + 1 || box.left < -1) found.push(`leaves the window (${Math.round(box.left)} to ${Math.round(box.right)} of ${width}): ${told(element)}`);
    if (isField(element)) continue;
    const style = getComputedStyle(element);
    const spills = element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && style.display !== "inline";
    if (spills && style.textOverflow !== "ellipsis" && !["auto", "scroll"].includes(style.overflowX)) {
      found.push(`wider than its box (${element.scrollWidth} of ${element.clientWidth}): ${told(element)}`);
    }
    const cut = ["hidden", "clip"].includes(style.overflowY) && element.scrollHeight > element.clientHeight + 1 && element.clientHeight > 0;
    if (cut) found.push(`higher than its box (${element.scrollHeight} of ${element.clientHeight}): ${told(element)}`);
  }

  // An id that stands twice gives both labels to the first; axe looks for the label by that id, and finds one.
  for (const field of document.body.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.labels.length && !field.ariaLabel) found.push(`has no label: ${told(field)}`);
  }

  // What can be pressed does not lie on something else that can.
  const pressed = [...document.body.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
    .filter((element) => !element.closest("details:not([open]) > :not(summary)"))
    .map((element) => [element, [...element.getClientRects()]])
    .filter(([element, boxes]) => boxes.length && !isUnseen(element, element.getBoundingClientRect()) && !scrolls(element));
  const meet = (one, other) => Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 1;
  const isFixed = (element) => element.closest(".menu, .skip") !== null;
  for (let i = 0; i < pressed.length; i++) {
    for (let j = i + 1; j < pressed.length; j++) {
      const [one, boxes] = pressed[i], [other, others] = pressed[j];
      if (one.contains(other) || other.contains(one) || isFixed(one) !== isFixed(other)) continue;
      if (boxes.some((box) => others.some((another) => meet(box, another)))) found.push(`${told(one)} lies on ${told(other)}`);
    }
  }
  return found;
}
