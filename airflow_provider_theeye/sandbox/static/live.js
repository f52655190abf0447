// Renews the part of a page that changes, once a second, while somebody can see it. Elements stay the same ones, so
// that focus, selection, scroll positions and what has been typed survive.
(() => {
  "use strict";

  const PAUSE = 1000;
  const live = document.getElementById("live");
  const trouble = document.getElementById("trouble");
  const pulse = document.querySelector(".pulse");
  document.getElementById("still").hidden = true;
  if (!live) return;

  let shown = null;
  let timer = 0;
  let asking = false;

  const sameKind = (one, other) =>
    one.nodeName === other.nodeName && (one.id || "") === (other.id || "");

  const isElement = (node) => node.nodeType === Node.ELEMENT_NODE;

  function attributes(old, wanted) {
    for (const { name } of [...old.attributes]) {
      if (!wanted.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  function words(old, wanted) {
    if (old.data === wanted.data) return;
    // A growing log keeps what is selected in it.
    if (wanted.data.startsWith(old.data)) old.appendData(wanted.data.slice(old.data.length));
    else old.data = wanted.data;
  }

  function become(old, wanted) {
    if (!isElement(old)) return words(old, wanted);
    attributes(old, wanted);
    children(old, wanted);
  }

  // Goes along both lists. What is wanted no more is dropped, what is new is put in, all else becomes what is wanted.
  function children(old, wanted) {
    const coming = [...wanted.childNodes];
    let here = old.firstChild;
    coming.forEach((next, place) => {
      const named = next.id && [...old.children].find((child) => sameKind(child, next));
      if (named && named !== here) old.insertBefore(named, here);
      if (named) here = named;
      const wantedLater = (node) => isElement(node) && coming.slice(place).some((one) => sameKind(node, one));
      while (here && !sameKind(here, next) && !wantedLater(here)) here = drop(here);
      if (here && sameKind(here, next)) {
        become(here, next);
        here = here.nextSibling;
      } else {
        old.insertBefore(document.importNode(next, true), here);
      }
    });
    while (here) here = drop(here);
  }

  function drop(node) {
    const after = node.nextSibling;
    node.remove();
    return after;
  }

  const logs = () => [...live.querySelectorAll("pre.log")];
  const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 12;

  function swap(text) {
    const wanted = new DOMParser().parseFromString(text, "text/html").body;
    const focused = live.contains(document.activeElement) ? document.activeElement : null;
    const following = new Set(logs().filter(atEnd));
    children(live, wanted);
    for (const log of logs()) if (following.has(log)) log.scrollTop = log.scrollHeight;
    // A button that is gone must not throw who works by keyboard back to the top of the page.
    if (focused && !focused.isConnected) document.getElementById("main").focus({ preventScroll: true });
  }

  async function renew() {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(live.dataset.live, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      trouble.hidden = true;
      pulse.hidden = !answer.ok;
      if (answer.ok && text !== shown) {
        swap(text);
        shown = text;
      }
      if (answer.status === 404) return; // its record is gone; what is shown is all there is left
    } catch {
      trouble.hidden = false;
      pulse.hidden = true;
    } finally {
      asking = false;
    }
    later();
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(renew, PAUSE);
  }

  document.addEventListener("visibilitychange", renew);
  for (const log of logs()) log.scrollTop = log.scrollHeight;
  later();
})();
