"use strict";
// The data of the page: columns become settings and rows that point at each other.
const data = JSON.parse(document.getElementById("data").textContent);
const strategies = data.strategies.map((strategy, place) => ({ ...strategy, place }));

function records(columns) {
  const names = Object.keys(columns);
  return (columns[names[0]] ?? []).map((_, place) =>
    Object.fromEntries(names.map((name) => [name, columns[name][place]])));
}

const settings = records(data.settings).map((setting) => ({
  ...setting,
  ...Object.fromEntries(data.axes.map((axis) => [axis.name, axis.values[setting[axis.name]]])),
  baseline: strategies[setting.baseline],
  beside: strategies[setting.beside],
  write: strategies[setting.write],
  rows: [],
}));
const rows = records(data.rows).map((row) => ({
  ...row,
  setting: settings[row.setting],
  strategy: strategies[row.strategy],
}));
rows.forEach((row) => row.setting.rows.push(row));
const advised = data.advised.map((place) => strategies[place]);

// The axes with several values to choose from; forward calls have no gradients to choose.
const varying = data.axes.filter((axis) =>
  axis.values.filter((value) => axis.name !== "gradients" || value !== "none").length > 1);
const { along, words } = data;
const phases = data.axes.find(({ name }) => name === "phase").values;

// A text with values in its places, such as {name}; other braces stay.
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (place, name) =>
  Object.hasOwn(values, name) ? values[name] : place);
const cut = (name, most = 26) => name.length > most ? `${name.slice(0, most - 1)}…` : name;

// The numbers of ticks: these alone are written here.
const short = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 });
const tick = (text) => (value) => fill(text, { value: short(value) });
function durationTick(microseconds) {
  const [unit, size] = data.units.findLast(([, least]) => microseconds >= least) ?? data.units[0];
  return `${short(microseconds / size)} ${unit}`;
}

function valueOf(name, setting) {
  const { values, words } = data.axes.find((axis) => axis.name === name);
  return words[values.indexOf(setting[name])];
}

// A setting in words: its values on the varying or other axes, but for some and usual values.
const inWords = (setting, without = [], axes = varying) => axes
  .filter(({ name, usual }) => !without.includes(name) && ![usual, "none"].includes(setting[name]))
  .map((axis) => valueOf(axis.name, setting)).join(", ");

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
  const isGraphic = ["svg", "path"].includes(tag);
  const element = isGraphic ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
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
