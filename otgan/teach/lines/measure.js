// The mathematics of the page: distances between two sets of equally many points of equal weight. Nothing here draws.
// A point is [x, y]; costs are Euclidean distances (p = 1); divergences are in nats.

// Uniform numbers that follow from a seed (mulberry32), and normal ones made of them.
function generator(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return {uniform, normal};
}

function costs(x, y) {
  const n = x.length, m = y.length, C = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) C[i * m + j] = Math.hypot(x[i][0] - y[j][0], x[i][1] - y[j][1]);
  }
  return C;
}

const byHeight = points => points.map((_, i) => i).sort((i, j) => points[i][1] - points[j][1]);

// Points of two parallel upright lines: a cost sqrt(θ² + t²) is convex in the difference t of heights, so that the plan
// which keeps their order is optimal. Exact in O(n log n).
function sortedPlan(x, y) {
  const plan = new Int32Array(x.length), order = byHeight(x), other = byHeight(y);
  order.forEach((i, k) => { plan[i] = other[k]; });
  return plan;
}

// The optimal assignment of n to n and its dual potentials, f_i + g_j <= C_ij with equality on the plan, by shortest
// augmenting paths (Kuhn 1955, Munkres 1957). Exact in O(n³).
function assignment(C, n) {
  const f = new Float64Array(n + 1), g = new Float64Array(n + 1);
  const owner = new Int32Array(n + 1), before = new Int32Array(n + 1), least = new Float64Array(n + 1);
  const seen = new Uint8Array(n + 1);
  for (let row = 1; row <= n; row++) {
    owner[0] = row;
    least.fill(Infinity);
    seen.fill(0);
    let at = 0;
    do {
      seen[at] = 1;
      const i = owner[at], base = (i - 1) * n;
      let step = Infinity, next = 0;
      for (let j = 1; j <= n; j++) {
        if (seen[j]) continue;
        const slack = C[base + j - 1] - f[i] - g[j];
        if (slack < least[j]) { least[j] = slack; before[j] = at; }
        if (least[j] < step) { step = least[j]; next = j; }
      }
      for (let j = 0; j <= n; j++) {
        if (seen[j]) { f[owner[j]] += step; g[j] -= step; } else least[j] -= step;
      }
      at = next;
    } while (owner[at] !== 0);
    while (at !== 0) { owner[at] = owner[before[at]]; at = before[at]; }
  }
  const plan = new Int32Array(n);
  for (let j = 1; j <= n; j++) plan[owner[j] - 1] = j - 1;
  return {plan, f: f.slice(1), g: g.slice(1)};
}

function planCost(x, y, plan) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.hypot(x[i][0] - y[plan[i]][0], x[i][1] - y[plan[i]][1]);
  return sum / x.length;
}

// JS, KL both ways and TV between two laws on finitely many places: pairs of masses.
function divergences(masses) {
  let js = 0, kl = 0, reverse = 0, tv = 0;
  const term = (p, q) => (p === 0 ? 0 : p * Math.log(p / q));
  for (const [p, q] of masses) {
    const middle = (p + q) / 2;
    js += (term(p, middle) + term(q, middle)) / 2;
    kl += term(p, q);
    reverse += term(q, p);
    tv += Math.abs(p - q) / 2;
  }
  const fair = value => Math.max(0, value);
  return {js: Math.min(fair(js), Math.LN2), kl: fair(kl), kl_reverse: fair(reverse), tv: Math.min(tv, 1)};
}

function placed(x, y, key) {
  const masses = new Map();
  [x, y].forEach((points, side) => {
    for (const point of points) {
      const place = key(point);
      if (!masses.has(place)) masses.set(place, [0, 0]);
      masses.get(place)[side] += 1 / points.length;
    }
  });
  return [...masses.values()];
}

const atoms = (x, y) => divergences(placed(x, y, point => `${point[0]},${point[1]}`));

// The bins are [i w, (i + 1) w) × [j w, (j + 1) w).
const bin = (value, width) => Math.floor(value / width);
const binned = (x, y, width) =>
  divergences(placed(x, y, point => `${bin(point[0], width)},${bin(point[1], width)}`));

// Entropic transport that can be gone on with: min <P, C> + ε KL(P | a⊗b), its dual value and its L1 marginal error.
// The kernel exp((f + g − C)/ε) absorbs the potentials, so that small ε neither underflow nor overflow; ε falls from the
// largest cost to its own value, halved every few passes.
const MOST_PASSES = 20000;
function sinkhorn(C, n, m, epsilon, start) {
  let f = start ? Float64Array.from(start.f) : new Float64Array(n);
  let g = start ? Float64Array.from(start.g) : new Float64Array(m);
  let now = start ? epsilon : Math.max(epsilon, C.reduce((most, c) => Math.max(most, c), 0) / 2);
  let kernel = null, u, v, passes = 0, error = Infinity;

  function absorb() {
    if (kernel === null) kernel = new Float64Array(n * m);
    else {
      for (let i = 0; i < n; i++) f[i] += now * Math.log(u[i]);
      for (let j = 0; j < m; j++) g[j] += now * Math.log(v[j]);
    }
    u = new Float64Array(n).fill(1);
    v = new Float64Array(m).fill(1);
  }
  function fill() {
    for (let i = 0, k = 0; i < n; i++) for (let j = 0; j < m; j++, k++) kernel[k] = Math.exp((f[i] + g[j] - C[k]) / now);
  }
  // An exact update of f by a log-sum-exp; it makes the rows right whatever went before.
  function softmin() {
    for (let i = 0; i < n; i++) {
      let most = -Infinity, sum = 0;
      for (let j = 0; j < m; j++) most = Math.max(most, g[j] - C[i * m + j]);
      for (let j = 0; j < m; j++) sum += Math.exp((g[j] - C[i * m + j] - most) / now);
      f[i] = -most - now * Math.log(sum / m);
    }
  }
  function begin(next) {
    if (kernel !== null) absorb();
    now = next;
    softmin();
    absorb();
    fill();
  }
  function pass() {
    const K = kernel, columns = new Float64Array(m);
    for (let i = 0, k = 0; i < n; i++) for (let j = 0, scale = u[i]; j < m; j++, k++) columns[j] += scale * K[k];
    error = 0;
    for (let j = 0; j < m; j++) {
      error += Math.abs((columns[j] * v[j]) / n / m - 1 / m);
      v[j] = n / columns[j];
    }
    const scales = v;
    let most = 0;
    for (let i = 0; i < n; i++) {
      let row = 0;
      for (let j = 0, k = i * m; j < m; j++, k++) row += K[k] * scales[j];
      u[i] = m / row;
      most = Math.max(most, Math.abs(Math.log(u[i])));
    }
    passes += 1;
    if (!(most < 50)) begin(now);
  }
  begin(now);
  return {
    get error() { return now > epsilon ? Infinity : error; },
    get passes() { return passes; },
    // Work until the marginals are right to `tol` or the clock says stop; true when they are, or when nearly sharp plans
    // between clusters have had so many passes that more would take minutes: `error` says how far they came.
    work(tol, until) {
      while (!(now === epsilon && error <= tol)) {
        if (passes >= MOST_PASSES) break;
        if (until()) return false;
        pass();
        if (now > epsilon && passes % 4 === 0) begin(Math.max(epsilon, now / 2));
      }
      return true;
    },
    potentials() {
      absorb();
      fill();
      return {f: Float64Array.from(f), g: Float64Array.from(g)};
    },
    // The rows are exact after a pass, so that the plan has mass 1 and the dual value is <a, f> + <b, g>.
    value() {
      const {f: F, g: G} = this.potentials();
      return F.reduce((s, c) => s + c, 0) / n + G.reduce((s, c) => s + c, 0) / m;
    },
    // P as masses, row by row.
    plan() { this.potentials(); return kernel.map(k => k / (n * m)); },
  };
}

// Self-terms need one potential: f ← (f + T f)/2 (Feydy et al. 2019).
function selfTransport(C, n, epsilon, tol = 1e-9, most = 2000) {
  const f = new Float64Array(n), next = new Float64Array(n);
  for (let turn = 0; turn < most; turn++) {
    let change = 0;
    for (let i = 0; i < n; i++) {
      let high = -Infinity, sum = 0;
      for (let j = 0; j < n; j++) high = Math.max(high, f[j] - C[i * n + j]);
      for (let j = 0; j < n; j++) sum += Math.exp((f[j] - C[i * n + j] - high) / epsilon);
      next[i] = -high - epsilon * Math.log(sum / n);
    }
    for (let i = 0; i < n; i++) {
      change = Math.max(change, Math.abs(next[i] - f[i]));
      f[i] = turn === 0 ? next[i] / 2 : (f[i] + next[i]) / 2;
    }
    if (change <= tol) break;
  }
  return (2 * f.reduce((s, c) => s + c, 0)) / n;
}

// The 1-Lipschitz function φ with φ(x_i) = f_i: φ(z) = min_j |z − y_j| − g_j.
function potential(y, g) {
  return z => {
    let least = Infinity;
    for (let j = 0; j < y.length; j++) least = Math.min(least, Math.hypot(z[0] - y[j][0], z[1] - y[j][1]) - g[j]);
    return least;
  };
}

// The lines themselves: values, and slopes in θ where there are any.
function closedForm(theta) {
  if (theta === 0) return {emd: 0, js: 0, kl: 0, kl_reverse: 0, tv: 0};
  return {emd: Math.abs(theta), js: Math.LN2, kl: Infinity, kl_reverse: Infinity, tv: 1};
}
function closedSlope(theta) {
  if (theta === 0) return {emd: null, js: null, kl: null, kl_reverse: null, tv: null};
  return {emd: Math.sign(theta), js: 0, kl: null, kl_reverse: null, tv: 0};
}

// Two Gaussians on the line, N(0, 1) and N(m, s²): EM and TV and JS by quadrature, W₂ and KL in closed form.
function gaussians(mean, scale) {
  const density = (z, mu, sigma) => Math.exp(-0.5 * ((z - mu) / sigma) ** 2) / (sigma * Math.sqrt(2 * Math.PI));
  const low = Math.min(-8, mean - 8 * scale), high = Math.max(8, mean + 8 * scale), cells = 4000;
  const width = (high - low) / cells;
  let js = 0, tv = 0, emd = 0, P = 0, Q = 0;
  const term = (p, r) => (p === 0 ? 0 : p * Math.log(p / r));
  for (let k = 0; k < cells; k++) {
    const z = low + (k + 0.5) * width, p = density(z, 0, 1), q = density(z, mean, scale), r = (p + q) / 2;
    js += ((term(p, r) + term(q, r)) / 2) * width;
    tv += (Math.abs(p - q) / 2) * width;
    P += p * width;
    Q += q * width;
    emd += Math.abs(P - Q) * width;
  }
  const kl = Math.log(scale) + (1 + mean * mean) / (2 * scale * scale) - 0.5;
  const kl_reverse = -Math.log(scale) + (scale * scale + mean * mean) / 2 - 0.5;
  return {emd, w2: Math.hypot(mean, 1 - scale), js, tv, kl, kl_reverse};
}
