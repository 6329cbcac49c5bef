// What the reader has chosen, what follows from it, and who is told. The choices are in the address of the page.
const data = JSON.parse(document.getElementById("data").textContent);
const MOST = data.heights[0].length;
const LIMIT = 1.2, EDGE = 1.4;  // of θ, and of what the picture shows

const state = {
  chapter: 1, theta: 0.5, at: 0, n: Math.min(MOST, 24), redraw: 0, same: false, width: data.bin_width, epsilon: 0.1,
  cost: "emd", scene: "angle", grab: "lines",
};
const COSTS = ["emd", "sinkhorn", "divergence"];
const SCENES = ["angle", "gaussians", "eight", "batches"];
const CHAPTERS = 6;

// Points that were dragged away: side → index → [x, y] beside their line.
let displaced = [new Map(), new Map()];
const putBack = () => { displaced = [new Map(), new Map()]; };

const within = (low, high) => value => (Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : undefined);
const whole = (low, high) => value => { const at = within(low, high)(value); return at === undefined ? at : Math.round(at); };
const among = names => (_, text) => (names.includes(text) ? text : undefined);
const ADDRESS = {
  chapter: whole(1, CHAPTERS), theta: within(-LIMIT, LIMIT), at: within(-0.5, 0.5), n: whole(1, MOST), redraw: whole(0, 1e6),
  width: within(0.01, 1), epsilon: within(0.008, 2), cost: among(COSTS), scene: among(SCENES),
  same: (_, text) => text === "true", grab: among(["lines", "points"]),
};
const BEGIN = {...state};

function readAddress() {
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    if (!(name in ADDRESS)) continue;
    const value = ADDRESS[name](text === "" ? NaN : Number(text), text);
    if (value !== undefined) state[name] = value;
  }
  keepInside();
}

// Both lines stay in the picture, and a θ that is 0 but for rounding is 0.
function keepInside() {
  state.theta = within(Math.max(-LIMIT, -EDGE - state.at), Math.min(LIMIT, EDGE - state.at))(state.theta);
  if (Math.abs(state.theta) < 1e-9) state.theta = 0;
}

let addressTimer = 0;
function writeAddress() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const words = new URLSearchParams();
    for (const name of Object.keys(ADDRESS)) {
      const value = typeof state[name] === "number" ? Number(state[name].toFixed(4)) : state[name];
      if (name === "theta" || name === "chapter" || value !== BEGIN[name]) words.set(name, value);
    }
    history.replaceState(null, "", `#${words}`);
  }, 150);
}

// The heights of the draws: the library's own first, then new ones.
function heights(side) {
  if (state.redraw === 0) return data.heights[side].slice(0, state.n);
  const {uniform} = generator(1000003 * state.redraw + 101 * side + data.seed);
  return Array.from({length: state.n}, uniform);
}

let drawn = null;
function points() {
  const key = `${state.n} ${state.redraw} ${state.same}`;
  if (drawn === null || drawn.key !== key) {
    if (drawn !== null) putBack();
    const first = heights(0);
    drawn = {key, heights: [first, state.same ? first : heights(1)]};
  }
  const place = [state.at, state.at + state.theta];
  return drawn.heights.map((all, side) =>
    all.map((height, i) => {
      const own = displaced[side].get(i);
      return own ? [place[side] + own[0], own[1]] : [place[side], height];
    }));
}

const upright = () => displaced.every(side => [...side.values()].every(([x]) => x === 0));

// The optimal plan and its cost, and the slope of the cost as the second line moves: each point pulls along its arc.
function exactly(x, y) {
  const plan = upright() ? sortedPlan(x, y) : assignment(costs(x, y), x.length).plan;
  let slope = 0;
  for (let i = 0; i < x.length; i++) {
    const to = y[plan[i]], length = Math.hypot(to[0] - x[i][0], to[1] - x[i][1]);
    if (length > 0) slope += (to[0] - x[i][0]) / length / x.length;
  }
  return {plan, emd: planCost(x, y, plan), slope};
}

// Entropic transport goes on from frame to frame; the self-terms wait for other points or another ε.
const entropic = {key: null, solver: null, self: new Map(), settled: false, error: NaN, value: NaN, divergence: NaN, slope: NaN, shared: NaN, plan: null};
const TOL = 1e-8;

function selfTerm(side, cloud, epsilon) {
  const origin = cloud[0], key = `${side} ${epsilon} ${cloud.map(p => [(p[0] - origin[0]).toFixed(9), p[1]])}`;
  if (!entropic.self.has(key)) {
    if (entropic.self.size > 40) entropic.self.clear();
    entropic.self.set(key, selfTransport(costs(cloud, cloud), cloud.length, epsilon));
  }
  return entropic.self.get(key);
}

function entropically(x, y, until) {
  const key = `${state.epsilon} ${x.join(";")} ${y.join(";")}`, n = x.length;
  if (key !== entropic.key) {
    const last = entropic.solver, fits = last !== null && last.n === n && last.epsilon === state.epsilon;
    const start = fits ? last.run.potentials() : undefined;
    entropic.key = key;
    entropic.settled = false;
    entropic.solver = {n, epsilon: state.epsilon, run: sinkhorn(costs(x, y), n, n, state.epsilon, start)};
  }
  if (!entropic.settled) {
    entropic.settled = entropic.solver.run.work(TOL, until);
    entropic.error = entropic.solver.run.error;
    entropic.value = entropic.solver.run.value();
    entropic.divergence = entropic.value - (selfTerm(0, x, state.epsilon) + selfTerm(1, y, state.epsilon)) / 2;
    entropic.plan = entropic.solver.run.plan();
    entropic.slope = 0;
    // Among how many points one's mass is shared: 1 for a permutation, n where all are alike.
    entropic.shared = 1 / (n * entropic.plan.reduce((sum, mass) => sum + mass * mass, 0));
    for (let i = 0, k = 0; i < n; i++) {
      for (let j = 0; j < n; j++, k++) {
        const across = y[j][0] - x[i][0], length = Math.hypot(across, y[j][1] - x[i][1]);
        if (length > 0) entropic.slope += (entropic.plan[k] * across) / length;
      }
    }
  }
  return entropic;
}

const entropicWanted = () => state.chapter === 5 || (state.chapter === 2 && state.cost !== "emd");

// Everything that the views show, of one frame.
function measured(until) {
  const [x, y] = points();
  const found = {x, y, ...exactly(x, y), closed: closedForm(state.theta), slopes: closedSlope(state.theta)};
  found.atoms = atoms(x, y);
  found.bins = binned(x, y, state.width);
  found.entropic = entropicWanted() ? entropically(x, y, until) : null;
  return found;
}

// Entropic values over a grid, one after another, a few milliseconds in each frame: [place, OT_ε, S_ε] of those that are known.
function sweeper(grid, pose) {
  const own = {key: null, done: [], run: null};
  return (key, x, y) => {
    const began = performance.now(), n = x.length, late = () => performance.now() - began > BUDGET;
    if (own.key !== key) Object.assign(own, {key, done: [], run: null});
    while (own.done.length < grid.length && !late()) {
      const place = grid[own.done.length], {moved, epsilon} = pose(place, y);
      own.run ??= sinkhorn(costs(x, moved), n, n, epsilon);
      if (!own.run.work(1e-6, late)) break;
      const value = own.run.value();
      own.done.push([place, value, value - (selfTerm(0, x, epsilon) + selfTerm(1, y, epsilon)) / 2]);
      own.run = null;
    }
    if (own.done.length < grid.length) ask();
    return own.done;
  };
}

const views = [];
let waiting = 0, frames = 0, latest = null;
const BUDGET = 7;

function frame() {
  waiting = 0;
  const began = performance.now();
  latest = measured(() => performance.now() - began > BUDGET);
  for (const view of views) view(latest);
  frames += 1;
  if (latest.entropic !== null && !latest.entropic.settled) ask();
}

// One frame for any number of changes.
function ask() {
  if (waiting === 0) waiting = requestAnimationFrame(frame);
}

function change(choices) {
  Object.assign(state, choices);
  keepInside();
  writeAddress();
  ask();
}

// Let something glide to its place, or put it there at once where the reader wants no motion.
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
let gliding = 0;
function glide(to, seconds = 0.9) {
  cancelAnimationFrame(gliding);
  const from = state.theta, began = performance.now();
  if (still()) { change({theta: to}); return; }
  const turn = now => {
    const part = Math.min(1, Math.max(0, (now - began) / 1000 / seconds)), eased = part * part * (3 - 2 * part);
    change({theta: part === 1 ? to : from + (to - from) * eased});
    if (part < 1) gliding = requestAnimationFrame(turn);
  };
  gliding = requestAnimationFrame(turn);
}
const letGo = () => cancelAnimationFrame(gliding);
