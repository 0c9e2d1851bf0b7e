"use strict";
// The data of the page: columns become settings and rows that point at each other.
const data = JSON.parse(document.getElementById("data").textContent);
const strategies = data.strategies.map((one, place) => ({ ...one, place }));

function records(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, place) =>
    Object.fromEntries(names.map((name) => [name, columns[name][place]])));
}

const settings = records(data.settings).map((one) => ({
  ...one,
  ...Object.fromEntries(data.axes.map((axis) => [axis.name, axis.values[one[axis.name]]])),
  baseline: strategies[one.baseline],
  write: strategies[one.write],
  rows: [],
  lost: [],
}));
const rows = records(data.rows).map((one) => ({
  ...one,
  setting: settings[one.setting],
  strategy: strategies[one.strategy],
  verdict: data.beside[one.beside],
}));
rows.forEach((row) => row.setting.rows.push(row));
records(data.lost).forEach((one) =>
  settings[one.setting].lost.push({ ...one, strategy: strategies[one.strategy] }));

// The axes between which a reader has a choice; forward calls have no gradients to choose.
const varying = data.axes.filter((axis) =>
  axis.values.filter((value) => axis.name !== "gradients" || value !== "none").length > 1);
const { along } = data;

const three = (value) => value >= 999.5 ? Math.round(value).toLocaleString("en")
  : String(Number(value.toPrecision(3)) === 0 ? 0 : value.toPrecision(3));
const times = (value) => value >= 10 || value < 0.0995 ? three(value) : value.toFixed(2);
// An interval in brackets, unless both ends are written alike.
function interval(low, high, write) {
  if (low === null || high === null || write(low) === write(high)) return "";
  return ` [${write(low)}, ${write(high)}]`;
}

const short = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 });

const speedUp = (row) => `${times(row.times)}${interval(row.times_low, row.times_high, times)}`;
const cut = (name, most = 26) => name.length > most ? `${name.slice(0, most - 1)}…` : name;

function duration(microseconds, write = three) {
  const [size, unit] = microseconds < 1e3 ? [1, "µs"] : microseconds < 1e6 ? [1e3, "ms"] : [1e6, "s"];
  return `${write(microseconds / size)} ${unit}`;
}
const seconds = (value) => duration(1e6 * value);
// What is paid over the best, rounded up.
function atMost(ratio) {
  const step = ratio < 10 ? 0.01 : 10 ** (Math.floor(Math.log10(ratio)) - 2);
  return times(step * Math.ceil(ratio / step - 1e-6));
}
// Per cents rounded up: from a tenth on without a decimal, as in the words above.
const upTo = (share) => share <= 0.1
  ? short(Math.ceil(1e3 * share - 1e-6) / 10) : Math.ceil(1e2 * share - 1e-6);
const over = (ratio) => ratio >= 1.5 ? `${atMost(ratio)} times`
  : `${upTo(ratio - 1)} % over`;
const durationTick = (microseconds) => duration(microseconds, short);

const known = (strategy) => strategy.known;

function valueOf(name, setting) {
  const { values, words } = data.axes.find((axis) => axis.name === name);
  return words[values.indexOf(setting[name])];
}

// What tells a setting from others, but for some axes and for what goes without saying.
const inWords = (setting, without = []) => varying
  .filter(({ name, usual }) => !without.includes(name) && ![usual, "none"].includes(setting[name]))
  .map((axis) => valueOf(axis.name, setting)).join(", ");

// A text with values in its places, such as {name}; other braces stay.
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (place, name) =>
  Object.hasOwn(values, name) ? values[name] : place);

function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
}

function make(tag, attributes = {}, ...children) {
  const drawn = ["svg", "path"].includes(tag);
  const made = drawn ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

// A strategy's line and mark, as in every chart.
function sample(strategy) {
  const outline = strategy.mark.map((points) => {
    const pairs = d3.range(0, points.length, 2).map((at) =>
      `${17 + 9 * points[at]} ${6 + 9 * points[at + 1]}`);
    return `M${pairs.join("L")}Z`;
  });
  const { colour, dash } = strategy;
  return make("svg", { class: "key", viewBox: "0 0 34 12", "aria-hidden": "true" },
    make("path", { d: "M0 6H34", stroke: colour, "stroke-width": 1.8, "stroke-dasharray": dash }),
    make("path", { d: outline.join(""), fill: colour }));
}

const nameOf = (strategy) => strategy.differs ? `${strategy.name} (no lift)` : strategy.name;
