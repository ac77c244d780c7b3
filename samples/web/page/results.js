// What was found, as a list and in words, and how long it took.

import { class_colour, css } from "../yolov5_dnn.js";
import { text } from "./texts.js";

const LISTED = 100; // of many detections only the best are listed
const SPOKEN = 2000; // milliseconds: a screen reader is not told more often

const list = document.getElementById("found");
const nothing = document.getElementById("nothing");
const summary = document.getElementById("summary");
const overlay = document.getElementById("overlay");
const count = document.getElementById("count");
const speed = document.getElementById("speed_table");
const rate = document.getElementById("rate");

let listed = "";
let words = ""; // for a screen reader
let spoken = -SPOKEN; // when it was told last
let waiting = null; // a timer, until it may be told again

/** List what was found, detections or classes; null: there was no picture yet. */
export function show_found(all) {
  const found = all ?? [];
  nothing.hidden = found.length > 0;
  nothing.textContent = text(all ? "nothing_found" : "nothing_yet");
  count.textContent = found.length || "";
  overlay.setAttribute("aria-label", text("picture_of", { n: found.length }));
  speak_of(found, all !== null);

  const shown = found.slice(0, LISTED);
  const state = JSON.stringify([document.documentElement.lang, shown.map((each) => [each.name, share_of(each).toFixed(2), each.text])]);
  if (state === listed) return;
  listed = state;
  list.replaceChildren(...shown.map(list_item));
}

/** A detection's score, a class's probability. */
function share_of({ score, probability }) {
  return score ?? probability;
}

function list_item(each) {
  const { class_id, name, text: content } = each;
  const item = document.createElement("li");
  const colour = element("span", "swatch");
  colour.style.background = css(class_colour(class_id));
  item.append(colour, element("span", "name", name), element("span", "score", share_of(each).toFixed(2)));
  if (content) {
    const copy = element("button", "small", text("copy"));
    copy.type = "button";
    copy.setAttribute("aria-label", `${text("copy")}: ${content}`);
    copy.onclick = async () => {
      await navigator.clipboard.writeText(content);
      copy.textContent = text("copied");
    };
    const line = element("div", "content");
    line.append(element("code", "", content), copy); // shown as text, never opened
    item.append(line);
  } else if (content === "") {
    item.append(element("div", "content quiet", text("not_read")));
  }
  return item;
}

function element(tag, class_name, content = "") {
  const made = document.createElement(tag);
  if (class_name) made.className = class_name;
  made.textContent = content;
  return made;
}

/** Tell a screen reader how many of each class there are, when that has changed, but not all the time. */
function speak_of(found, any) {
  const counts = new Map();
  for (const { name } of found) counts.set(name, (counts.get(name) ?? 0) + 1);
  const classes = Array.from(counts, ([name, n]) => `${name} ${n}`).join(", ");
  words = !any ? "" : found.length ? `${text("summary", { n: found.length })}: ${classes}` : text("nothing_found");
  if (waiting) return; // the newest words are spoken then
  const pause = Math.max(0, spoken + SPOKEN - performance.now());
  waiting = setTimeout(() => {
    waiting = null;
    spoken = performance.now();
    if (summary.textContent !== words) summary.textContent = words;
  }, pause);
}

/** Show milliseconds by stage and, of moving pictures, how many there are a second. */
export function show_speed(timings, per_second) {
  const stages = Object.entries(timings);
  const total = stages.reduce((sum, [, ms]) => sum + ms, 0);
  speed.replaceChildren(
    ...[...stages, ["total", total]].map(([stage, ms]) => {
      const row = element("tr", stage === "total" ? "total" : "");
      const head = element("th", "", text(stage));
      head.scope = "row";
      const cell = element("td", "", `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`);
      const bar = element("td", "share");
      const filled = element("span", "");
      filled.style.width = `${total ? (100 * ms) / total : 0}%`;
      if (stage !== "total") bar.append(filled);
      row.append(head, cell, bar);
      return row;
    }),
  );
  rate.textContent = per_second ? text("per_second", { n: per_second.toFixed(per_second < 10 ? 1 : 0) }) : "";
}
