// Makes one piece of the page like another, and touches nothing that is the same already: focus,
// selection and scrolling stay where they are, and nothing flickers.

// What the pointer or the focus is in keeps still, or the user would follow another user's link.
const STEADY = "[data-steady]:hover, [data-steady]:focus-within";

// Whether a part is folded open is the reader's affair.
const READERS_OWN = new Set(["open"]);

export function morph(shown, fresh) {
  if (shown.nodeType !== fresh.nodeType || shown.nodeName !== fresh.nodeName) {
    shown.replaceWith(fresh.cloneNode(true));
  } else if (shown.nodeType === Node.ELEMENT_NODE) {
    if (!shown.matches(STEADY)) {
      morphAttributes(shown, fresh);
      morphChildren(shown, fresh);
    }
  } else if (shown.nodeValue !== fresh.nodeValue) {
    shown.nodeValue = fresh.nodeValue;
  }
}

function morphAttributes(shown, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (shown.getAttribute(name) !== value) {
      shown.setAttribute(name, value);
    }
  }
  for (const { name } of [...shown.attributes]) {
    if (!fresh.hasAttribute(name) && !READERS_OWN.has(name)) {
      shown.removeAttribute(name);
    }
  }
}

function morphChildren(shown, fresh) {
  const before = [...shown.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((child, number) => {
    if (number < before.length) {
      morph(before[number], child);
    } else {
      shown.append(child.cloneNode(true));
    }
  });
  before.slice(after.length).forEach((child) => child.remove());
}
