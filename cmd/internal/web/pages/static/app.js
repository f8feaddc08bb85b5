// Live updates, the counter of the reply box, and Ctrl+Enter. Without this script the page works as well; it then changes only when
// it is loaded. What comes in was made and escaped by the daemon; it is put in piece by piece, so that focus, scrolling and a screen
// reader stay where they are.
"use strict";
(() => {
  const policy = window.trustedTypes ? trustedTypes.createPolicy("textback", { createHTML: s => s }) : { createHTML: s => s };

  const parse = html => {
    const t = document.createElement("template");
    t.innerHTML = policy.createHTML(html);
    return t.content.firstElementChild;
  };

  // sync makes one node like another of the same kind.
  function sync(old, now) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
      return;
    }
    if (old.isEqualNode(now)) return;
    const keep = old.tagName === "DETAILS" ? "open" : "";
    for (const a of [...old.attributes]) if (a.name !== keep && !now.hasAttribute(a.name)) old.removeAttribute(a.name);
    for (const a of now.attributes) if (a.name !== keep && old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
    children(old, now);
  }

  const alike = (a, b) => a && a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  // children makes the children of one element like those of another; those with an id are found again by it.
  function children(old, now) {
    const known = new Map();
    for (const c of old.children) if (c.id) known.set(c.id, c);
    let at = old.firstChild;
    for (const c of [...now.childNodes]) {
      let match = alike(at, c) ? at : c.id ? known.get(c.id) : null;
      if (match && !alike(match, c)) match = null;
      if (!match) {
        old.insertBefore(document.importNode(c, true), at);
        continue;
      }
      if (match !== at) old.insertBefore(match, at); else at = at.nextSibling;
      sync(match, c);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  const news = document.getElementById("news");
  const standing = document.getElementById("standing");
  let waiting = standing ? Number(standing.dataset.waiting) : 0;
  const title = document.title;

  function told() {
    const n = Number(document.getElementById("standing").dataset.waiting);
    document.title = n ? "(" + n + ") " + title : title;
    const badge = document.getElementById("nav-waiting");
    if (badge) {
      badge.hidden = n === 0;
      badge.firstChild.nodeValue = n;
    }
    if (n > waiting) news.textContent = n === 1 ? "A caller waits for an answer." : n + " callers wait for an answer.";
    else if (n === 0) news.textContent = "";
    waiting = n;
  }

  const low = () => window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 120;

  function part(e) {
    const { id, html } = JSON.parse(e.data);
    const old = document.getElementById(id), now = parse(html);
    if (!old || !now) return;
    const log = document.getElementById("log"), count = log && log.children.length, follow = log && low();
    sync(old, now);
    told();
    if (follow && log.children.length > count) window.scrollTo(0, document.documentElement.scrollHeight);
  }

  // One stream for each page that is seen: browsers open six connections to a host at most, and a hidden page can wait.
  let source = null, retry = 0;
  function open() {
    if (source || document.hidden || !document.getElementById("live")) return;
    const url = new URL(location.href);
    url.hash = "";
    url.searchParams.set("live", "1");
    source = new EventSource(url);
    source.addEventListener("open", () => { retry = 0; document.documentElement.dataset.live = "on"; });
    source.addEventListener("part", part);
    source.addEventListener("bye", loggedOut);
    source.addEventListener("error", () => {
      document.documentElement.dataset.live = "off";
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      refused();
    });
  }

  // refused asks why there is no stream: if the page itself leads to the log-in, the session is over.
  async function refused() {
    shut();
    try {
      const r = await fetch(location.href, { method: "HEAD", redirect: "manual" });
      if (r.type === "opaqueredirect") return loggedOut();
    } catch { /* not there at all: try again */ }
    retry = Math.min(retry + 1, 6);
    setTimeout(open, 5000 * retry);
  }

  // loggedOut goes to the log-in, unless words would be lost that somebody has typed.
  function loggedOut() {
    shut();
    const typed = document.getElementById("text");
    if (!typed || !typed.value.trim()) return location.reload();
    document.getElementById("logged-out").hidden = false;
  }
  function shut() {
    if (source) source.close();
    source = null;
    document.documentElement.dataset.live = "off";
  }
  document.addEventListener("visibilitychange", () => document.hidden ? shut() : open());
  window.addEventListener("pagehide", shut);
  window.addEventListener("pageshow", open);
  // A page that answers a form has the address of the form: it is no page to watch.
  if (!/\/(reply|take|close)$/.test(location.pathname)) open();

  const text = document.getElementById("text");
  if (text) {
    const one = new Set(text.dataset.gsm), two = new Set(text.dataset.gsm2), count = document.getElementById("count"), hint = count.textContent;
    const measure = () => {
      const s = text.value.trim();
      let units = 0, odd = "";
      for (const c of s) {
        if (one.has(c)) units++;
        else if (two.has(c)) units += 2;
        else { odd = c; break; }
      }
      if (odd) units = s.length;
      const single = odd ? 70 : 160, each = odd ? 67 : 153;
      const texts = units <= single ? 1 : Math.ceil(units / each);
      count.textContent = s === "" ? hint : [...s].length + " characters, " + (texts === 1 ? "1 text" : texts + " texts") +
        (odd ? " (“" + odd + "” is not in the alphabet of plain texts)" : "");
      count.classList.toggle("over", texts > 3);
    };
    text.addEventListener("input", measure);
    text.addEventListener("keydown", e => {
      if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
        e.preventDefault();
        text.form.requestSubmit();
      }
    });
    text.form.addEventListener("submit", () => setTimeout(() => { text.form.querySelector("button").disabled = true; }, 0));
    window.addEventListener("pageshow", () => { text.form.querySelector("button").disabled = false; });
    measure();
    if (!location.hash) window.scrollTo(0, document.documentElement.scrollHeight);
  }
  if (standing) told();
})();
