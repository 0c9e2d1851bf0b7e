// The chooser: a choice of axes becomes a setting, whose state is in the address.
const chooser = document.getElementById("chooser");

// The most usual setting, forward, with most rivals, at the greatest length.
const DEFAULT = d3.least(settings, (one) => one.unusual
  - one.rows.length / 1e3 + (one.phase !== "forward") / 10 - one.seq_len / 1e9);

// A different number is nearer than a different word; what was just asked for is kept, and what was
// not asked for is as usual.
function distance(setting, wanted, kept) {
  return d3.sum(varying, ({ name }) => {
    const [asked, has] = [wanted[name], setting[name]];
    const unusual = (has !== DEFAULT[name]) / 100;
    if (asked === undefined) return unusual;
    if (String(has) === asked || (has === "none" && name !== kept)) return 0;
    const far = typeof has === "number" ? 1 + Math.abs(Math.log2(has / asked)) || 1 : 100;
    return unusual + (name === kept ? 1e6 : name === "workload" ? 1e4 : far);
  });
}

const nearest = (wanted, kept) => d3.least(settings, (one) => distance(one, wanted, kept));

function address(setting, strategy) {
  const state = new URLSearchParams(varying.filter((axis) => setting[axis.name] !== "none")
    .map((axis) => [axis.name, setting[axis.name]]));
  if (strategy) state.set("strategy", strategy.name);
  return `#${state}`;
}

function choose(setting, strategy) {
  location.hash = address(setting, strategy);
}

// What is said of the next case that is shown.
let note = "";

// Show what the address asks for, unless it is a section's.
function follow() {
  const wanted = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const isCase = ["strategy", ...varying.map((axis) => axis.name)].some((name) => name in wanted);
  if (location.hash && !isCase && chooser.querySelector("select, .lead")) return;
  const setting = nearest(wanted);
  show(setting, strategies.find((one) => one.name === wanted.strategy), note || missing(setting, wanted));
  note = "";
}

function missing(setting, wanted) {
  const other = varying.filter(({ name }) => name in wanted && setting[name] !== "none"
    && String(setting[name]) !== wanted[name]);
  if (!other.length) return "";
  const asked = other.map((axis) => `${axis.title} ${wanted[axis.name]}`).join(", ");
  return `Not measured: ${asked} with the rest of this choice. Shown is the nearest that was: ${
    inWords(setting)}.`;
}

function controls(setting) {
  return varying.map((axis) => {
    const place = data.axes.indexOf(axis);
    const select = make("select", { id: `axis-${place}`, onchange: () => {
      const asked = Object.fromEntries(varying.map(({ name }, at) =>
        [name, chooser.querySelectorAll("select")[at].value]));
      const found = nearest(asked, axis.name);
      note = missing(found, asked);
      choose(found);
    } });
    for (const value of axis.values)
      if (value !== "none") select.append(new Option(axis.name === "threads" && !value ? "default" : value, value, false, value === setting[axis.name]));
    return make("label", { for: select.id }, axis.title, select);
  });
}

function show(setting, asked, said) {
  const focused = document.activeElement?.id;
  chooser.querySelector(".controls").replaceChildren(...controls(setting));
  const status = chooser.querySelector(".state");
  status.textContent = said;
  status.hidden = !said;
  const row = setting.rows.find((one) => one.strategy === asked)
    ?? setting.rows.find((one) => one.strategy === setting.write) ?? setting.rows[0];
  chooser.querySelector(".chosen").replaceChildren(
    verdict(setting), ...(row ? [bars(setting, row), detail(row)] : []), ...losses(setting));
  if (focused) document.getElementById(focused)?.focus();
}

function verdict(setting) {
  const row = setting.rows.find((one) => one.strategy === setting.write);
  if (!row)
    return make("p", { class: "lead" }, setting.rows.length ? "Only one was measured here." : "Nothing was measured here.");
  const beside = setting.baseline && row.strategy !== setting.baseline
    ? `, ${times(row.times)}${interval(row.times_low, row.times_high, times)} times as fast as ${known(setting.baseline)}` : "";
  const ties = setting.rows.filter((one) => one.unbeaten && one !== row).map((one) => one.strategy.name);
  const close = ties.length ? ` Not shown slower: ${ties.join(", ")}.` : "";
  const begun = setting.verdict ? ["Write ", make("strong", {}, row.strategy.name)]
    : ["Too few launches for a verdict; ", make("strong", {}, row.strategy.name), " looked best"];
  return make("p", { class: "lead" }, ...begun, `: ${duration(row.time)} a call${beside}.${close}`);
}

// A row a rival: a bar of how many times as fast as the baseline, or as the fastest, it is.
function bars(setting, chosen) {
  const fastest = setting.rows[0];
  const base = setting.rows.find((row) => row.strategy === setting.baseline) ?? fastest;
  const ratio = (row) => row.times ?? base.time / row.time;
  const most = d3.max(setting.rows, (row) => Math.max(ratio(row), row.times_high ?? 0)) * 1.02;
  const share = (value) => `${100 * Math.min(1, Math.max(0, value / most))}%`;
  const heads = ["strategy", "", `times as fast as ${known(base.strategy)}`, "", "a call"];
  const lines = setting.rows.map((row) => {
    const fill = make("span", { class: row.lift ? "fill" : "fill hollow", style: `width:${share(ratio(row))};--colour:${row.strategy.colour}` });
    const reach = interval(row.times_low, row.times_high, times) && make("span", { class: "whisker",
      style: `left:${share(row.times_low)};width:calc(${share(row.times_high)} - ${share(row.times_low)})` });
    const track = make("span", { class: "track" }, fill, reach || "", make("span", { class: "one", style: `left:${share(1)}` }));
    const pick = make("button", { type: "button", id: `pick-${row.strategy.place}`, "aria-pressed": row === chosen,
      onclick: () => choose(setting, row.strategy) }, sample(row.strategy), nameOf(row.strategy));
    const word = row === base ? setting.baseline ? "baseline" : "fastest" : row.lift ? row.verdict ?? "" : "not ranked";
    return make("tr", row === chosen ? { class: "picked" } : {}, make("th", { scope: "row" }, pick),
      make("td", { class: "bar" }, track), make("td", { class: "n" }, times(ratio(row)),
        make("small", {}, interval(row.times_low, row.times_high, times))),
      make("td", { class: "word" }, word), make("td", { class: "n" }, duration(row.time)));
  });
  return make("table", { class: "bars" }, make("caption", {}, inWords(setting)),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make(head ? "th" : "td", head ? { scope: "col" } : {}, head)))),
    make("tbody", {}, ...lines));
}

function detail(row) {
  const { strategy } = row;
  const facts = [
    ["time", `${duration(row.time)}${interval(row.time_low, row.time_high, duration)} a call`],
    ["first call", row.first === null ? "" : `${seconds(row.first)}${interval(row.first_low, row.first_high, seconds)}`],
    ["peak memory", row.peak === null ? "" : `${three(row.peak)} MiB`],
    ["may cost", row.cost === null ? "" : `at most ${over(row.cost)} the best`],
    ["no lift", strategy.differs],
    ...strategy.meaning,
  ].filter(([, text]) => text);
  const list = facts.map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text)));
  const box = make("section", { class: "detail", "aria-label": strategy.name },
    make("h3", {}, sample(strategy), strategy.name), make("p", { class: "note" }, strategy.title), make("dl", {}, ...list));
  if (strategy.code) box.append(paste(strategy));
  return box;
}

function paste(strategy) {
  const code = make("pre", { tabindex: 0 }, make("code", {}, strategy.code));
  const button = make("button", { type: "button", class: "copy", onclick: async () => {
    button.textContent = await copied(code) ? "Copied" : "Press Ctrl-C to copy";
    setTimeout(() => { button.textContent = "Copy"; }, 3000);
  } }, "Copy");
  return make("details", { class: "paste", open: "" }, make("summary", {}, "Code to paste"), button, code);
}

// A page from disk may not reach the clipboard, and then the code is selected instead.
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

function losses(setting) {
  return [...grouped(setting.lost, (one) => one.why)].map(([why, lost]) =>
    make("p", { class: "note" }, `No result for ${lost.map((one) => one.strategy.name).join(", ")}: ${why}.`));
}
