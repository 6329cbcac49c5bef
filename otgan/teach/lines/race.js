// Descend θ by each distance at once, in equal steps: who arrives, who never moves, and why.
const RUNNERS = ["emd", "divergence", "js", "tv", "kl"];
const RATE = 0.01, TURNS = 160;

const warm = {n: 0, potentials: undefined};

// The slope of each distance in θ on the draws. Divergences of draws without a common point are constant.
function raceSlope(name, theta) {
  const [x, y] = points(), origin = state.at + state.theta;
  const moved = y.map(at => [at[0] - origin + state.at + theta, at[1]]);
  if (name === "emd") {
    const plan = upright() ? sortedPlan(x, moved) : assignment(costs(x, moved), x.length).plan;
    let slope = 0;
    x.forEach((from, i) => {
      const to = moved[plan[i]], length = Math.hypot(to[0] - from[0], to[1] - from[1]);
      if (length > 0) slope += (to[0] - from[0]) / length / x.length;
    });
    return slope;
  }
  if (name === "divergence") {
    // From turn to turn the potentials hardly change: the next solve goes on from the last.
    const n = x.length, C = costs(x, moved), solver = sinkhorn(C, n, n, Math.max(state.epsilon, 0.02), warm.n === n ? warm.potentials : undefined);
    solver.work(1e-5, () => solver.passes > 300);
    Object.assign(warm, {n, potentials: solver.potentials()});
    const plan = solver.plan();
    let slope = 0;
    for (let i = 0, k = 0; i < n; i++) for (let j = 0; j < n; j++, k++) {
      const across = moved[j][0] - x[i][0], length = Math.hypot(across, moved[j][1] - x[i][1]);
      if (length > 0) slope += (plan[k] * across) / length;
    }
    return slope;
  }
  return name === "kl" ? null : 0;
}

function race(host) {
  const bar = element("div", {class: "buttons"}, host);
  const go = element("button", {type: "button", id: "descend", class: "main", text: "Descend"}, bar);
  const back = element("button", {type: "button", id: "restart", text: "Back to the start"}, bar);
  const figure = element("div", {id: "tracks"}, host);
  const LANE = 42, svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("role", "img");
  figure.append(svg);
  const said = element("p", {id: "finish", "aria-live": "polite"}, host);
  const run = {active: false, turn: 0, at: null, start: null, trail: null};

  function begin() {
    run.active = false;
    run.turn = 0;
    warm.n = 0;
    run.start = state.theta;
    run.at = Object.fromEntries(RUNNERS.map(name => [name, state.theta]));
    run.arrived = {};
    said.textContent = `All start at θ = ${round(run.start, 2)}. Each turn moves θ by ${RATE} times the slope, downhill.`;
  }
  function turn() {
    run.turn += 1;
    for (const name of RUNNERS) {
      const slope = raceSlope(name, run.at[name]);
      if (slope !== null) run.at[name] -= RATE * slope;
      if (slope && run.arrived[name] === undefined && Math.abs(run.at[name]) <= 2 * RATE) run.arrived[name] = run.turn;
    }
    if (run.turn >= TURNS) { run.active = false; verdict(); }
  }
  function verdict() {
    const arrived = RUNNERS.filter(name => run.arrived[name] !== undefined).map(name => `${NAMES[name].replace("_ε", "ε")} after ${run.arrived[name]} turn${run.arrived[name] === 1 ? "" : "s"}`);
    const late = ["emd", "divergence"].filter(name => run.arrived[name] === undefined).map(name => NAMES[name].replace("_ε", "ε"));
    said.textContent = (arrived.length ? `Arrived: ${arrived.join(", ")}. ` : "Nobody has arrived. ")
      + (late.length ? `${late.join(" and ")} ${late.length > 1 ? "are" : "is"} still under way after ${TURNS} turns: few points far apart in height, or a large ε, make the slope small near 0. ` : "")
      + `JS and TV stand where they began, at θ = ${round(run.start, 2)}: their slope is 0 wherever the lines do not coincide. `
      + "KL is infinite on both sides of every step and has no slope to follow.";
  }
  go.addEventListener("click", () => {
    if (state.theta === 0) { said.textContent = "All stand at 0 already: move the lines apart first."; return; }
    if (run.turn >= TURNS || state.theta !== run.start) begin();
    run.active = !run.active;
    if (run.active && still()) { while (run.active) turn(); }
    ask();
  });
  back.addEventListener("click", () => { begin(); ask(); });

  return () => {
    if (state.chapter !== 3) { run.active = false; return; }
    if (run.start === null || (!run.active && run.turn === 0 && run.start !== state.theta)) begin();
    if (run.active) turn();
    go.textContent = run.active ? "Pause" : run.turn > 0 && run.turn < TURNS && state.theta === run.start ? "Go on" : "Descend";
    const width = Math.max(260, figure.clientWidth), height = LANE * RUNNERS.length + 26;
    const X = theta => 92 + ((theta + LIMIT) / (2 * LIMIT)) * (width - 104);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    let body = line(X(0), 4, X(0), LANE * RUNNERS.length, "goal");
    for (const tick of [-1, 0, 1]) body += words(X(tick), height - 8, signed(tick), "tick");
    RUNNERS.forEach((name, k) => {
      const y = LANE * (k + 0.5), kind = name === "divergence" ? "entropic" : name;
      body += line(X(-LIMIT), y, X(LIMIT), y, "grid") + words(6, y + 4, spelledSvg(name), "lane", "start");
      body += line(X(run.start), y, X(run.at[name]), y, `${kind} trail`) + dot(X(run.at[name]), y, 8, `${kind} mark`);
      const note = run.arrived[name] !== undefined ? `✓ ${run.arrived[name]}` : run.turn > 5 && name === "kl" ? "no slope" : run.turn > 5 && run.at[name] === run.start ? "slope 0" : "";
      body += words(X(run.at[name]) + (run.at[name] > 0.7 ? -14 : 14), y - 9, note, "tick", run.at[name] > 0.7 ? "end" : "start");
    });
    svg.innerHTML = body;
    svg.setAttribute("aria-label", `The race after ${run.turn} turns: ` + RUNNERS.map(name => `${NAMES[name]} at ${round(run.at[name], 2)}`).join(", "));
    if (run.active) ask();
  };
}
