// The page without this script is whole, but stands still. All HTML is the
// server's, escaped there; here it is only put into place.
"use strict";
(() => {
  const list = document.getElementById("events");
  if (!list) return; // only the overview moves

  const shown = 200;    // events that are kept
  const every = 5000;   // ms between two looks at the rest of the page
  const patience = 5000; // ms before another try to connect
  const state = document.getElementById("stream");
  const pause = document.getElementById("pause");
  const parser = new DOMParser();
  let source = null, retry = 0, paused = false, waiting = [];

  const tell = (text, kind) => {
    if (state.textContent === text) return;
    state.textContent = text;
    state.className = "tag " + kind;
  };

  // Items are put in once a frame, the newest first.
  const put = () => {
    const items = waiting.splice(0).reverse();
    list.prepend(...items);
    while (list.children.length > shown) list.lastElementChild.remove();
  };
  const take = (event) => {
    if (paused) return;
    const item = parser.parseFromString(event.data, "text/html").querySelector("li");
    if (!item) return;
    if (waiting.push(document.adoptNode(item)) === 1) requestAnimationFrame(put);
  };

  const connect = () => {
    clearTimeout(retry);
    if (source || document.hidden || paused) return;
    source = new EventSource("/events");
    source.onopen = () => tell("live", "ok");
    source.onmessage = take;
    source.onerror = () => {
      tell("not connected", "bad");
      if (source && source.readyState === EventSource.CLOSED) { // it won't come back by itself
        disconnect();
        retry = setTimeout(connect, patience);
      }
    };
  };
  const disconnect = () => {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) {
      disconnect();
      tell("paused", "");
    } else {
      connect();
    }
  });

  // What is in use by somebody stays as it is: a link with the focus, text that is
  // being selected.
  const inUse = (part) => {
    const selection = getSelection();
    return part.contains(document.activeElement) || !selection.isCollapsed && selection.containsNode(part, true);
  };
  const refresh = async () => {
    if (document.hidden || paused) return;
    let text;
    try {
      const response = await fetch("/", { signal: AbortSignal.timeout(every) });
      if (!response.ok) return;
      text = await response.text();
    } catch {
      return; // the stream's state tells
    }
    const fresh = parser.parseFromString(text, "text/html");
    document.title = fresh.title;
    for (const part of document.querySelectorAll("[data-fresh]")) {
      const next = fresh.getElementById(part.id);
      if (!next || inUse(part) || part.innerHTML === next.innerHTML) continue;
      for (const open of part.querySelectorAll("details[open]")) {
        const same = next.querySelector("details");
        if (open && same) same.open = true;
      }
      part.replaceChildren(...document.adoptNode(next).childNodes);
    }
  };

  setInterval(refresh, every);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      disconnect();
    } else {
      connect();
      refresh();
    }
  });
  connect();
})();
