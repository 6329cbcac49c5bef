// Every distance over θ: the closed form, what the draws say exactly, and what bins say; steps are drawn as steps.
const CURVES = ["emd", "js", "kl", "tv"];
const GRID = Array.from({length: 97}, (_, k) => (k - 48) / 40);

// The exact distance of the draws over θ, found when the points change. Points off their line need a plan for each θ,
// and there are fewer.
const curve = {key: null, places: []};
function emdOverTheta(x, y) {
  const shape = [x, y].map((cloud, side) => cloud.map(at => [at[0] - state.at - (side ? state.theta : 0), at[1]]));
  const key = shape.join("|");
  if (curve.key === key) return curve.places;
  curve.key = key;
  const grid = upright() ? GRID : x.length <= 64 ? GRID.filter((_, k) => k % 4 === 0) : [];
  curve.places = grid.map(theta => {
    const moved = shape[1].map(at => [at[0] + theta, at[1]]);
    const plan = upright() ? sortedPlan(shape[0], moved) : assignment(costs(shape[0], moved), x.length).plan;
    return [theta, planCost(shape[0], moved, plan)];
  });
  return curve.places;
}

// The entropic values over θ.
const overTheta = sweeper(GRID.filter((_, k) => k % 4 === 0), (theta, y) => ({epsilon: state.epsilon, moved: y.map(at => [at[0] - state.theta + theta, at[1]])}));

// What bins say changes only where the line, or a point off it, crosses the edge of a bin.
const steps = {key: null, places: []};
function binsOverTheta(x, y) {
  const shape = y.map(at => [at[0] - state.theta, at[1]]), key = `${state.width}|${x}|${shape}`;
  if (steps.key === key) return steps.places;
  steps.key = key;
  const edges = new Set([-LIMIT, LIMIT]);
  for (const origin of new Set(shape.map(at => at[0]))) {
    if (edges.size > 400) break;
    for (let k = Math.ceil((origin - LIMIT) / state.width); k * state.width <= origin + LIMIT; k++) edges.add(k * state.width - origin);
  }
  const at = [...edges].filter(theta => Math.abs(theta) <= LIMIT).sort((a, b) => a - b);
  steps.places = at.map((theta, k) => {
    const inside = k + 1 < at.length ? (theta + at[k + 1]) / 2 : theta;
    return [theta, binned(x, shape.map(([px, py]) => [px + inside, py]), state.width)];
  });
  return steps.places;
}

function estimatorPanels(host) {
  const row = element("div", {class: "panels"}, host);
  const boxes = CURVES.map(name => axes(row, {
    title: spelled(name), label: `${NAMES[name]} over theta`, height: 165, left: 40, xTitle: "θ",
    x: [-LIMIT, LIMIT], y: [0, name === "emd" ? 1.28 : name === "tv" ? 1.08 : name === "js" ? 0.76 : 1.1],
    xTicks: [[-1, "−1"], [0, "0"], [1, "1"]],
    yTicks: name === "js" ? [[0, "0"], [Math.LN2, "log 2"]] : name === "kl" ? [[0, "0"], [1, "∞"]] : [[0, "0"], [1, "1"]],
  }));
  const legend = element("p", {class: "legend"}, host);
  return found => {
    const sampled = state.chapter > 1, theta = state.theta;
    // An infinite KL has the top of its box for a place, a finite one its share of 2.
    const height = (name, value) => (name === "kl" ? (value === Infinity ? 1 : Math.min(value / 2, 0.9)) : value);
    const over = sampled ? emdOverTheta(found.x, found.y) : [], bars = sampled ? binsOverTheta(found.x, found.y) : [];
    const soft = found.entropic !== null && found.entropic.settled ? overTheta(`${state.epsilon} ${found.x.join(";")} ${found.y.map(at => [(at[0] - state.theta).toFixed(9), at[1]])}`, found.x, found.y) : [];
    CURVES.forEach((name, k) => {
      const box = boxes[k];
      box.draw(() => {
        const place = ([t, value]) => [box.X(t), box.Y(height(name, value))];
        let body = "", lines = "";
        if (name === "emd") lines += path([[-LIMIT, LIMIT], [0, 0], [LIMIT, LIMIT]].map(place), "closed");
        else {
          const top = closedForm(1)[name];
          lines += path([[-LIMIT, top], [-0.004, top]].map(place), "closed") + path([[0.004, top], [LIMIT, top]].map(place), "closed");
          lines += dot(box.X(0), box.Y(0), 3.5, "closed filled");
        }
        const shown = {closed: found.closed[name]};
        if (sampled) {
          if (name === "emd") body += path(over.map(place), "emd curve");
          else body += path(stairs(bars.map(([t, values]) => [t, values[name]]).map(place)), "bins curve");
          shown.draws = name === "emd" ? found.emd : found.atoms[name];
          if (name !== "emd") shown.bins = found.bins[name];
          if (name === "emd" && found.entropic !== null) {
            shown.entropic = found.entropic[state.cost === "sinkhorn" ? "value" : "divergence"];
            body += path(soft.map(([t, value, debiased]) => place([t, Math.max(0, state.cost === "sinkhorn" ? value : debiased)])), "entropic curve");
          }
        }
        body += lines + line(box.X(theta), box.top - 6, box.X(theta), box.low, "needle");
        for (const [way, value] of Object.entries(shown)) {
          body += dot(box.X(theta), box.Y(Math.max(height(name, value), box.y[0])), way === "closed" ? 5 : 4, `${way} mark`);
        }
        return body;
      });
      box.describe(`${NAMES[name]} over theta; at ${round(theta, 2)} the lines have ${round(found.closed[name])}`
        + (sampled ? `, these points ${round(name === "emd" ? found.emd : found.atoms[name])}` : ""));
    });
    legend.innerHTML = key("closed", "the lines, closed form")
      + (sampled ? key("draws", "these points, exactly") + key("bins", `the points in bins of ${round(state.width, 2)}`) : "")
      + (sampled && state.cost !== "emd" ? key("entropic", state.cost === "sinkhorn" ? "OT<sub>ε</sub> of the points" : "S<sub>ε</sub> of the points") : "");
  };
}

// The numbers as a table, which a screen reader can walk.
function numbers(host) {
  const table = element("table", {id: "numbers"}, element("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of the distances"}, host));
  const head = element("tr", {}, element("thead", {}, table)), body = element("tbody", {}, table);
  element("td", {}, head);
  const columns = ["emd", "js", "kl", "kl_reverse", "tv"];
  for (const name of columns) element("th", {scope: "col", html: spelled(name)}, head);
  const rows = {};
  for (const [way, title] of [["closed", "the lines"], ["slope", "their slope in θ"], ["draws", "these points"], ["bins", "the points in bins"], ["entropic", ""]]) {
    const row = element("tr", {}, body);
    rows[way] = {row, title: element("th", {scope: "row", html: `<i class="${way}"></i>${title}`}, row), cells: columns.map(name => element("td", {"data-cell": `${way}-${name}`}, row))};
  }
  return found => {
    const sampled = state.chapter > 1, soft = found.entropic !== null && state.cost !== "emd";
    rows.draws.row.hidden = rows.bins.row.hidden = !sampled;
    rows.entropic.row.hidden = !soft;
    columns.forEach((name, k) => {
      rows.closed.cells[k].textContent = round(found.closed[name]);
      const slope = found.slopes[name];
      rows.slope.cells[k].textContent = slope === null ? "none" : signed(slope);
      rows.draws.cells[k].textContent = round(name === "emd" ? found.emd : found.atoms[name]);
      rows.bins.cells[k].textContent = name === "emd" ? "–" : round(found.bins[name]);
      rows.entropic.cells[k].textContent = k > 0 || !soft ? "–" : round(found.entropic[state.cost === "sinkhorn" ? "value" : "divergence"]) + (found.entropic.settled ? "" : " …");
    });
    rows.entropic.title.innerHTML = `<i class="entropic"></i>${spelled(state.cost === "emd" ? "sinkhorn" : state.cost)} of the points`;
  };
}
