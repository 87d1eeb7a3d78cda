// Keeps the dashboard's metrics current. Without it the page is complete, and as of its loading.

import { morph } from "./morph.js";

const WAIT_MS = 10_000;
const LONGEST_PAUSE_MS = 60_000;

const root = document.querySelector("[data-usercache]");
const metrics = root.querySelector("[data-metrics]");
const live = root.querySelector("[data-live]");
const pauseButton = root.querySelector("[data-pause]");
const periodMs = Number(root.dataset.refreshSeconds) * 1000;

let timer;
let failures = 0;
let isPaused = false;
let isAsking = false;

class Ended extends Error {}

async function fetchMetrics() {
  const url = new URL(window.location.href);
  url.searchParams.set("fragment", "1");
  const response = await fetch(url, {
    redirect: "manual", // to the log-in, once the session is over
    signal: AbortSignal.timeout(WAIT_MS),
  });
  if (response.type === "opaqueredirect") {
    throw new Ended("You have been logged out: load the page again.");
  }
  if (response.status === 403) {
    throw new Ended("You may not see this page any more.");
  }
  if (!response.ok) {
    throw new Error(`The server answered ${response.status}.`);
  }
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const part = fresh.body.firstElementChild;
  if (!part?.dataset.status) {
    throw new Error("Something else answered, such as a proxy.");
  }
  return part;
}

// A screen reader hears of a change of the status, and of nothing else: metrics change all the time.
function say(text, isNews = false) {
  if (live.textContent !== text) {
    live.textContent = text;
  }
  live.classList.toggle("usercache-news", isNews);
  root.classList.toggle("usercache-stale", text !== "" && !isNews);
}

function show(fresh) {
  const shown = metrics.firstElementChild;
  const before = shown.dataset.status;
  morph(shown, fresh);
  const { status, note } = fresh.dataset;
  if (status !== before) {
    const title = document.title.split(": ").at(-1);
    document.title = `${status[0].toUpperCase()}${status.slice(1)}: ${title}`;
    say(`The status is ${status} now. ${note}`, true);
  } else if (root.classList.contains("usercache-stale")) {
    say("");
  }
}

async function refresh() {
  if (isAsking) {
    return;
  }
  isAsking = true;
  clearTimeout(timer);
  try {
    show(await fetchMetrics());
    failures = 0;
  } catch (error) {
    const asOf = metrics.querySelector("time").textContent;
    if (error instanceof Ended) {
      pause();
      say(`Out of date, as of ${asOf}. ${error.message}`);
    } else {
      failures += 1;
      say(`Out of date, as of ${asOf}: the server can't be asked. Trying again.`);
    }
  } finally {
    isAsking = false;
    schedule();
  }
}

function schedule() {
  clearTimeout(timer);
  if (!isPaused && !document.hidden) {
    timer = setTimeout(refresh, Math.min(periodMs * 2 ** failures, LONGEST_PAUSE_MS));
  }
}

function pause() {
  isPaused = true;
  pauseButton.textContent = "Go on";
  schedule();
}

pauseButton.hidden = false;
pauseButton.addEventListener("click", () => {
  if (isPaused) {
    isPaused = false;
    pauseButton.textContent = "Pause";
    refresh();
  } else {
    pause();
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden || isPaused) {
    clearTimeout(timer);
  } else {
    refresh();
  }
});
schedule();
