/* Counts over time, and the line between good and odd, to be moved. */
"use strict";

const monitor = page.byId("monitor");
if (monitor) {
  const name = encodeURIComponent(monitor.dataset.model);
  const css = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
  const percent = page.percent;
  /* As chance in words.py: 1 in 20, 3 in 20, about 1 in 7, about 9 in 10, nearly all. */
  const chance = (share) => {
    const near = (wrong) => [1, 2, 3].find((some) => Math.round(some / share) > some && Math.abs(Math.round(some / share) * share / some - 1) < wrong);
    const n = near(1e-6) ?? near(0.005);
    if (!n && share > 0.5) return share < 0.95 ? `about ${Math.round(10 * share)} in 10` : "nearly all";
    return n ? `${n} in ${Math.round(n / share).toLocaleString("en")}` : `about 1 in ${Math.round(1 / share).toLocaleString("en")}`;
  };
  const oneIn = (share) => `${percent(share)} (${chance(share)})`;
  const charts = {};
  let facts = null;

  const figure = (number, what, alarm) => {
    const item = document.createElement("li");
    const bold = document.createElement("b");
    const text = document.createElement("span");
    [bold.textContent, text.textContent] = [number, what];
    if (alarm) item.className = "alarm";
    item.append(bold, text);
    return item;
  };

  const showFigures = () => {
    const sum = (key) => facts.counts.reduce((total, count) => total + count[key], 0);
    const images = sum("images"), odd = sum("anomalies"), missed = sum("missed"), settled = sum("unclear_real");
    const { images: good, called, undecided, unsure, removed, reviews } = facts.observed;
    const slowest = Math.max(0, ...facts.counts.map((count) => count.slowest));
    const mean = images ? facts.counts.reduce((total, count) => total + count.seconds * count.images, 0) / images : 0;
    const promised = facts.observed.promised ?? facts.false_alarms;
    const changed = Math.abs(promised / facts.false_alarms - 1) > 1e-6;
    const share = (n, of) => (of ? percent(n / of) : "–");
    const number = (n) => n.toLocaleString("en");
    // Of bounds, which are far apart, two digits say enough: both stand on one line of a phone.
    const bounds = (low, high) => [low, high].map((part) => (100 * part).toLocaleString("en", { maximumSignificantDigits: 2 })).join("–") + "\u00a0%";
    const once = facts.versions.length > 1 ? ", a picture once for each version" : "";
    const wait = undecided - unsure - removed;
    const open = [
      ...(wait ? [`${number(wait)} waiting in Review${once}`] : []),
      ...(unsure ? [`${number(unsure)} unsure`] : []),
      ...(removed ? [`${number(removed)} can no longer be reviewed: --keep removed ${removed === 1 ? "it" : "them"}`] : []),
    ];
    const still = reviews && undecided ? `${page.count(undecided, "image")} called odd ${undecided === 1 ? "is" : "are"} undecided (${open.join(", ")}): ${undecided === 1 ? "were it" : "were all"} good, ${called + undecided} of ${number(good + undecided)} good images would have been called odd, ${share(called + undecided, good + undecided)}.` : "";
    [page.byId("undecided").textContent, page.byId("undecided").hidden] = [still, !still];
    // Of all that is counted, whichever version is in use now.
    const counted = facts.versions, others = facts.again + facts.learnt;
    const by = counted.length > 1 || (counted.length && counted[0] !== facts.version) ? ` by version ${counted.length > 1 ? `${counted.slice(0, -1).join(", ")} or ` : ""}${counted.at(-1)}` : "";
    // A tile is read at a glance; what its number counts is said in full below all of them.
    page.byId("monitor-figures").replaceChildren(
      figure(number(images), `${images === 1 ? "image" : "images"} scored${by}${others ? `; ${number(others)} more not counted` : ""}`),
      figure(number(odd), images ? `called odd, ${percent(odd / images)}` : "called odd", odd > 0),
      ...(facts.unclear ? [figure(number(sum("unclear")), images ? `unclear, ${percent(sum("unclear") / images)}${settled ? `; ${number(settled)} of them bad` : ""}` : "unclear")] : []),
      figure(percent(promised), changed ? "of good ones might be called odd until now" : "of good ones may be called odd"),
      ...(changed ? [figure(percent(facts.false_alarms), "of good ones may be called odd from now on")] : []),
      figure(!reviews ? "–" : undecided ? bounds(good && called / good, (called + undecided) / (good + undecided)) : share(called, good), `of good ones were called odd: ${reviews ? page.count(reviews, "review") : "no reviews yet"}`),
      ...(missed ? [figure(number(missed), `bad ${missed === 1 ? "one" : "ones"} missed`, true)] : []),
      figure(images ? `${mean.toFixed(mean < 1 ? 2 : 1)} s` : "–", "to a verdict"),
    );
    const told = [
      counted.length > 1 ? `Scored: by whichever version was in use then${by.replace(" by version", ":")}.` : "",
      facts.again ? `Not counted: ${page.count(facts.again, "more was the same picture again, and is", "more were the same pictures again, and are")} not counted a second time.` : "",
      facts.learnt ? `Not counted: ${number(facts.learnt)} that the version which scored ${facts.learnt === 1 ? "it" : "them"} had learnt from: what it says of ${facts.learnt === 1 ? "it" : "them"} proves nothing.` : "",
      facts.unclear ? `Unclear: for you to look at.${settled ? ` ${number(settled)} ${settled === 1 ? "was" : "were"} marked as bad${once}: neither good nor missed.` : ""}` : "",
      changed ? `May be called odd: the promise, ${percent(promised)} by the rates in force when the verdicts were given here, ${percent(facts.false_alarms)} for images to come, by the rate of version ${facts.version} now.` : `May be called odd: ${percent(promised)} is the promise.`,
      reviews ? `Were called odd: ${number(called)} of ${number(good)} good images, counting what looks good${facts.unclear ? " or is unclear" : ""} as good (${page.count(reviews, "review")}${once})${undecided ? "; the higher number, if all that are undecided were good, too" : ""}.` : "Were called odd: nothing is reviewed yet, so nobody knows.",
      missed ? `Missed: ${facts.unclear ? "neither called odd nor unclear" : "not called odd"}, but marked as bad${once}.` : "",
      images ? `To a verdict: ${mean.toFixed(mean < 1 ? 2 : 1)} s from arrival on average; the slowest ${slowest.toFixed(1)} s.` : "",
    ];
    page.byId("counted").replaceChildren(...told.filter(Boolean).map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }));
    const drift = page.byId("drift");
    drift.hidden = !facts.drift;
    page.byId("drift-advice").hidden = /more normal/.test(facts.drift);  // that sentence says what to do
    // The advice below says the same for this page.
    page.byId("drift-text").textContent = page.drift(facts.drift || "").replace(/ Learn again .*$/, "").replace(/, so learn again .*$/, ".");
  };

  /* The first line of a legend says where the mouse is; style.css hides it while that is nowhere. */
  const colours = () => ({ axis: css("--muted"), line: css("--line"), odd: css("--alarm"), calm: css("--accent"), normal: css("--normal"), scored: css("--scored") });
  const axis = (c, more) => ({ stroke: c.axis, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line }, font: "13px system-ui", ...more });
  const draw = (key, options, data) => {
    const place = page.byId(`chart-${key}`);
    if (charts[key]) charts[key].destroy();
    charts[key] = new uPlot({ width: place.clientWidth, height: 260, padding: [null, 28, null, null], cursor: { drag: { x: false, y: false } }, ...options }, data, place);
  };

  const written = (at, parts) => new Date(1000 * at).toLocaleString("en-GB", parts);
  const day = (at) => written(at, { day: "numeric", month: "short" });
  const clock = (at) => written(at, { hour: "2-digit", minute: "2-digit" });
  const times = (_, ticks, axis, space, step) => ticks.map((at) => (step >= 86400 || clock(at) === "00:00" ? day(at) : clock(at)));

  const drawTime = () => {
    const c = colours();
    const now = Date.now() / 1000, first = now - 86400 * Number(page.byId("days").value);
    const at = [first, ...facts.counts.map((count) => Math.min(now, count.at + facts.step / 2)), now + 1];
    const share = (key) => [null, ...facts.counts.map((count) => 100 * count[key] / count.images), null];
    // Of the verdicts that were given then, not of those to come.
    const rates = facts.counts.map((count) => 100 * count.promised);
    const promise = rates.length ? [rates[0], ...rates, rates.at(-1)] : at.map(() => 100 * facts.false_alarms);
    page.byId("point").textContent = facts.step < 86400 ? "hour" : "day";
    const points = { show: true, size: 7 };
    const value = (_, number) => (number == null ? "" : `${number.toFixed(1)}\u00a0%`);
    draw("time", {
      scales: { x: { range: [first, now + 1] }, y: { range: (_, low, high) => [0, Math.max(high * 1.15, 2 * Math.max(...promise))] } },
      axes: [axis(c, { values: times, space: 64 }), axis(c, { values: (_, ticks) => ticks.map((tick) => `${tick}\u00a0%`), size: 66 })],
      series: [{ label: "At", value: (_, at) => (at == null ? "" : `${day(at)} ${clock(at)}`) }, { label: "Called odd, of all images", stroke: c.odd, width: 2, points: { ...points, fill: c.odd }, value }, { label: "False alarms, of all images", stroke: c.scored, width: 2, points: { ...points, fill: c.scored }, value }, { label: "Promise, of good images", stroke: c.calm, paths: uPlot.paths.stepped({ align: 1 }), dash: [6, 5], width: 2, points: { show: false }, value }],
    }, [at, share("anomalies"), share("false_alarms"), promise]);
    const three = facts.unclear !== null;
    const heads = ["From", "Images", "Called odd", ...(three ? ["Unclear"] : []), "False alarms", "Really odd", ...(three ? ["Unclear and bad"] : []), "Missed"];
    fill("table-time", heads, [...facts.counts].reverse().map((count) =>
      [new Date(1000 * count.at).toLocaleString("en-GB", { dateStyle: "medium", ...(facts.step < 86400 ? { timeStyle: "short" } : {}) }), count.images, count.anomalies, ...(three ? [count.unclear] : []), count.false_alarms, count.real, ...(three ? [count.unclear_real] : []), count.missed]));
  };

  /* The numbers of a chart, for those who do not see it or have no mouse. */
  const fill = (id, heads, lines) => {
    const table = page.byId(id);
    table.replaceChildren();
    const row = (cells, tag) => { const line = table.insertRow(); for (const cell of cells) { const made = document.createElement(tag); made.textContent = cell; if (tag === "th") made.scope = "col"; line.append(made); } };
    row(heads, "th");
    for (const line of lines) row(line, "td");
  };

  /* Why nothing that this version scored can be shown. */
  const WHY_NONE = { nothing: "has scored nothing here yet", learnt: "has scored only what it learnt from, which proves nothing", removed: "has no single verdicts left: --keep removed them" };
  const chosen = () => facts.rates[Number(page.byId("rate").value)];
  const drawScores = () => {
    const c = colours();
    const middle = facts.edges.slice(1).map((edge, i) => (edge + facts.edges[i]) / 2);
    const share = (counts) => { const all = counts.reduce((a, b) => a + b, 0) || 1; return counts.map((n) => 100 * n / all); };
    const bars = uPlot.paths.bars({ size: [1, 100], align: 0 });
    const value = (_, number) => (number == null ? "" : `${number.toFixed(1)}\u00a0%`);
    draw("scores", {
      scales: { x: { time: false } },
      axes: [axis(c, { label: "score: larger is odder", labelFont: "13px system-ui" }), axis(c, { values: (_, ticks) => ticks.map((tick) => `${tick}\u00a0%`), size: 66 })],
      series: [{ label: "Score", value: (_, number) => (number == null ? "" : number.toPrecision(3)) }, { label: "Good images", stroke: c.normal, fill: c.normal + "88", paths: bars, points: { show: false }, value }, { label: "Images scored here", stroke: c.scored, width: 2, paths: uPlot.paths.stepped({ align: 0 }), points: { show: false }, value }],
      hooks: { draw: [(u) => {
        const x = Math.round(u.valToPos(chosen().threshold, "x", true));
        u.ctx.save();
        u.ctx.strokeStyle = c.odd;
        u.ctx.lineWidth = 2.5 * devicePixelRatio;
        u.ctx.beginPath();
        u.ctx.moveTo(x, u.bbox.top);
        u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
        u.ctx.stroke();
        u.ctx.restore();
      }] },
    }, [middle, share(facts.normal), share(facts.scored)]);
    const [normal, scored] = [share(facts.normal), share(facts.scored)];
    const edge = (i) => facts.edges[i].toPrecision(3);
    fill("table-scores", ["Score from", "to", "Good images", "Images scored here"], middle.map((_, i) =>
      [edge(i), i + 1 < middle.length ? edge(i + 1) : "any", value(_, normal[i]), value(_, scored[i])]));
  };

  const showRate = () => {
    const rate = chosen();
    page.byId("rate-text").textContent = oneIn(rate.false_alarms);
    page.byId("rate").setAttribute("aria-valuetext", oneIn(rate.false_alarms));
    page.byId("would").textContent = facts.last === 1 ? `The only image that version ${facts.version} scored would ${rate.called ? "" : "not "}be called odd.` : facts.last ? `Of the last ${page.count(facts.last, "image")} that version ${facts.version} scored ${rate.called ? `${rate.called.toLocaleString("en")} would be called odd, ${percent(rate.called / facts.last)}` : "none would be called odd"}.` : `Version ${facts.version} ${WHY_NONE[facts.why_none]}, so nothing can be said of what it would call odd.`;
    const look = page.byId("would-look");
    look.hidden = !facts.last || !rate.called;
    look.firstElementChild.href = `${page.prefix}/score?model=${name}&rate=${rate.false_alarms}#results`;
    const use = page.byId("rate-use");
    if (use) use.disabled = rate.false_alarms === facts.false_alarms;
    if (charts.scores) charts.scores.redraw(false);
  };

  const load = async () => {
    try {
      facts = await page.ask("GET", `/api/v1/models/${name}/monitor?days=${page.byId("days").value}`);
    } catch (problem) { page.sayWhy(problem); return; }
    const slider = page.byId("rate");
    slider.max = facts.rates.length - 1;
    slider.value = facts.rates.findIndex((rate) => rate.false_alarms === facts.false_alarms);
    page.byId("histogram-about").textContent = `Version ${facts.version}: good images that were held back when it learnt, filled${facts.last ? `, and the ${facts.last === 1 ? "only image" : `last ${page.count(facts.last, "image")}`} that it scored here, as a line` : `; it ${WHY_NONE[facts.why_none]}`}. What lies right of the red line is called odd; the last bar holds all that is odder still.`;
    page.byId("rate-version").textContent = facts.version;
    showFigures();
    drawTime();
    drawScores();
    showRate();
  };
  page.byId("days").addEventListener("change", load);
  page.byId("rate").addEventListener("input", showRate);
  if (page.byId("rate-use"))
    page.byId("rate-use").addEventListener("click", (event) => page.busy(event.currentTarget, "Putting it into use \u2026", async () => {
      await page.ask("PUT", `/api/v1/models/${name}/rate`, { false_alarms: chosen().false_alarms });
      page.say(`From now on verdicts go by ${oneIn(chosen().false_alarms)}.`);
      await load();
      htmx.trigger(document.body, "model-changed");
    }));
  const redraw = page.calmly(200, () => { if (facts) { drawTime(); drawScores(); } });
  window.addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  page.on({ prediction: page.calmly(3000, load), review: page.calmly(1000, load), model: page.calmly(300, () => { load(); htmx.trigger(document.body, "model-changed"); }) }, () => { load(); htmx.trigger(document.body, "model-changed"); });
  load();
}
