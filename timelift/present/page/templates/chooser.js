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
    const apart = Math.abs(Math.log2(has / asked));
    const far = typeof has === "number" && Number.isFinite(apart) ? 1 + apart : 100;
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

const inAddress = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const pickedIn = (wanted) => strategies.find((one) => one.name === wanted.strategy);

// Show what the address asks for, unless it is a section's; what it names is unfolded.
function follow() {
  const wanted = inAddress();
  const named = document.getElementById(location.hash.slice(1));
  if (named?.tagName === "DETAILS") named.open = true;
  const isCase = ["strategy", ...varying.map((axis) => axis.name)].some((name) => name in wanted);
  if (location.hash && !isCase && chooser.querySelector("select, .lead")) return;
  const setting = nearest(wanted);
  show(setting, pickedIn(wanted), note || missing(setting, wanted));
  note = "";
  const { top } = chooser.getBoundingClientRect();
  if (isCase && (top < 0 || top > innerHeight - 100) && !chooser.contains(document.activeElement))
    chooser.scrollIntoView();
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
      choose(found, pickedIn(inAddress()));
    } });
    for (const value of axis.values.filter((one) => one !== "none")) {
      const text = axis.name === "threads" && !value ? "default" : value;
      select.append(new Option(text, value, false, value === setting[axis.name]));
    }
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
  const lead = (...words) => make("p", { class: "lead" }, ...words);
  if (!row) {
    const none = setting.rows.length ? "No lift" : "Nothing";
    return lead(`${setting.rows.some((one) => one.lift) ? "Only one lift" : none} was measured here.`);
  }
  const name = make("strong", {}, row.strategy.name);
  const base = setting.baseline;
  const gain = base && row.strategy !== base ? `, ${speedUp(row)} times as fast as ${known(base)}` : "";
  const found = `: ${duration(row.time)} a call${gain}.`;
  const isFirst = row === setting.rows.find((one) => one.lift);
  const most = row.cost === null ? "" : `, at most ${over(row.cost)} the best`;
  const best = isFirst ? " looked best" : ` has the least to lose${most}`;
  if (!setting.verdict) return lead("Too few launches for a verdict; ", name, ` looked best${found}`);
  const faster = setting.rows.filter((one) => one.lift && one.verdict === "shown faster");
  if (!base || faster.includes(row))
    return lead("Write ", name, found, isFirst ? "" : ` It${best}.`, ties(setting, row));
  if (faster.length)
    return lead(name, `${best}, but is not shown faster${found} Shown faster: ${listed(faster)}.`);
  const keep = [make("strong", {}, known(base)), ": nothing was shown faster"];
  return lead("Keep ", ...keep, ...(row.strategy === base ? ["."] : ["; ", name, `${best}${found}`]));
}

function listed(some, most = 6) {
  const names = some.slice(0, most).map((row) => row.strategy.name).join(", ");
  return some.length > most ? `${names} and ${some.length - most} more` : names;
}

function ties(setting, row) {
  const close = setting.rows.filter((one) => one.unbeaten && one !== row);
  return close.length ? ` Not shown slower than it: ${listed(close)}.` : "";
}

// A row a rival: a bar of how many times as fast as the baseline, or as the fastest, it is.
function bars(setting, chosen) {
  const base = setting.rows.find((row) => row.strategy === setting.baseline)
    ?? setting.rows.find((row) => row.lift) ?? setting.rows[0];
  const ratio = (row) => row.times ?? base.time / row.time;
  const most = 1.02 * d3.max(setting.rows, (row) => Math.max(ratio(row), row.times_high ?? 0));
  const share = (value) => 100 * Math.min(1, value / most);
  const word = (row) => {
    if (!row.lift) return "not ranked";
    if (row === base) return setting.baseline ? "baseline" : "fastest";
    return row.verdict ?? "";
  };
  const lines = setting.rows.map((row) => make("tr", { class: row === chosen ? "picked" : null },
    make("th", { scope: "row" }, picker(row, row === chosen)),
    make("td", { class: "bar" }, track(row, ratio(row), share)),
    make("td", { class: "n ratio" }, times(ratio(row)),
      make("small", {}, interval(row.times_low, row.times_high, times))),
    make("td", { class: "word" }, word(row)),
    make("td", { class: "n call" }, duration(row.time))));
  const head = (text, name) => make("th", { scope: "col", class: name }, text);
  const beside = known(base.strategy);
  const table = make("table", { class: "bars" }, make("caption", {}, inWords(setting)),
    make("thead", {}, make("tr", {}, head("strategy", ""), make("td", { class: "bar" }),
      head(`times as fast as ${beside}`, "ratio"),
      setting.baseline ? head(`beside ${beside}`, "word") : make("td", { class: "word" }), head("a call", "call"))),
    make("tbody", {}, ...lines));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Strategies here" }, table);
}

function picker(row, isChosen) {
  const { setting, strategy } = row;
  return make("button", { type: "button", id: `pick-${strategy.place}`, "aria-pressed": isChosen,
    onclick: () => choose(setting, strategy) }, sample(strategy), nameOf(strategy));
}

// A bar to the ratio, whiskers to the ends of its interval, a line at 1.
function track(row, ratio, share) {
  const { lift, strategy, times_low: low, times_high: high } = row;
  const part = (name, css) => make("span", { class: name, style: css });
  const fill = part(lift ? "fill" : "fill hollow", `width:${share(ratio)}%;--colour:${strategy.colour}`);
  const whisker = interval(low, high, times)
    ? part("whisker", `left:${share(low)}%;width:${share(high) - share(low)}%`) : null;
  return make("span", { class: "track" }, fill, whisker, part("one", `left:${share(1)}%`));
}

function detail(row) {
  const { strategy } = row;
  const ends = (low, high, write) => interval(row[low], row[high], write);
  const facts = [
    ["time", `${duration(row.time)}${ends("time_low", "time_high", duration)} a call`],
    ["first call", row.first === null ? "" : `${seconds(row.first)}${ends("first_low", "first_high", seconds)}`],
    ["peak memory", row.peak === null ? "" : `${three(row.peak)} MiB`],
    ["may cost", row.cost === null || !row.setting.verdict ? "" : `at most ${over(row.cost)} the best`],
    ["no lift", strategy.differs],
    ...strategy.meaning,
  ].filter(([, text]) => text);
  return make("section", { class: "detail", "aria-label": strategy.name },
    make("h3", {}, sample(strategy), strategy.name),
    make("p", { class: "note" }, strategy.title),
    make("dl", {}, ...facts.map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text)))),
    strategy.code ? paste(row) : null);
}

function paste({ setting, strategy }) {
  const { file, call } = strategy.code;
  const code = make("pre", { tabindex: 0 }, make("code", {}, file + fill(call, setting.inputs)));
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
    make("p", { class: "note" }, `No result for ${lost.map((one) => one.strategy.name).join(", ")}: ${why.replace(/\.$/, "")}.`));
}
