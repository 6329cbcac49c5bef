// A critic that learns: a network 1 → 16 → 16 → 1 with ReLU, which raises f(0) − f(θ), the dual of EM between the lines as
// seen from above, under one of the two constraints of the papers: weights clipped to [−c, c], or a penalty on slopes. The
// penalty is the one-sided of "Improved Training": on a line a slope of the wrong sign would not come past 0 under the other,
// which asks for a slope of ±1.
const WIDTH = 16;

function network(seed) {
  const {normal} = generator(seed);
  const filled = (size, scale) => Float64Array.from({length: size}, () => scale * normal());
  return {
    w1: filled(WIDTH, 1), b1: filled(WIDTH, 0.5), w2: filled(WIDTH * WIDTH, Math.sqrt(2 / WIDTH)),
    b2: filled(WIDTH, 0.1), w3: filled(WIDTH, Math.sqrt(1 / WIDTH)),
  };
}
const PARTS = ["w1", "b1", "w2", "b2", "w3"];

function forward(net, x) {
  const h1 = new Float64Array(WIDTH), h2 = new Float64Array(WIDTH), back = new Float64Array(WIDTH);
  let value = 0;
  for (let i = 0; i < WIDTH; i++) h1[i] = Math.max(0, net.w1[i] * x + net.b1[i]);
  for (let j = 0; j < WIDTH; j++) {
    let sum = net.b2[j];
    for (let i = 0; i < WIDTH; i++) sum += net.w2[j * WIDTH + i] * h1[i];
    h2[j] = Math.max(0, sum);
    value += net.w3[j] * h2[j];
  }
  // back_i = ∂f/∂h1_i where unit i is on: the slope is Σ back_i w1_i.
  for (let j = 0; j < WIDTH; j++) {
    if (h2[j] > 0) for (let i = 0; i < WIDTH; i++) if (h1[i] > 0) back[i] += net.w3[j] * net.w2[j * WIDTH + i];
  }
  let slope = 0;
  for (let i = 0; i < WIDTH; i++) slope += back[i] * net.w1[i];
  return {x, h1, h2, back, value, slope};
}

// Add `weight` times the gradient of f(x) in the parameters.
function addValue(net, at, weight, into) {
  for (let j = 0; j < WIDTH; j++) {
    if (at.h2[j] === 0) continue;
    into.w3[j] += weight * at.h2[j];
    into.b2[j] += weight * net.w3[j];
    for (let i = 0; i < WIDTH; i++) into.w2[j * WIDTH + i] += weight * net.w3[j] * at.h1[i];
  }
  for (let i = 0; i < WIDTH; i++) {
    into.w1[i] += weight * at.back[i] * at.x;
    into.b1[i] += weight * at.back[i];
  }
}

// Add `weight` times the gradient of f'(x): the units that are on do not change within a piece of the function.
function addSlope(net, at, weight, into) {
  for (let j = 0; j < WIDTH; j++) {
    if (at.h2[j] === 0) continue;
    let ahead = 0;
    for (let i = 0; i < WIDTH; i++) {
      if (at.h1[i] === 0) continue;
      ahead += net.w2[j * WIDTH + i] * net.w1[i];
      into.w2[j * WIDTH + i] += weight * net.w3[j] * net.w1[i];
    }
    into.w3[j] += weight * ahead;
  }
  for (let i = 0; i < WIDTH; i++) into.w1[i] += weight * at.back[i];
}

// One critic in training. `way` is "clip" (RMSProp, as in "Wasserstein GAN") or "penalty" (Adam, as in "Improved Training").
function critic(seed) {
  const net = network(seed), {uniform} = generator(seed + 1);
  const zeros = () => Object.fromEntries(PARTS.map(part => [part, new Float64Array(net[part].length)]));
  const first = zeros(), second = zeros();
  let steps = 0;
  return {
    net,
    get steps() { return steps; },
    value: x => forward(net, x).value,
    slope: x => forward(net, x).slope,
    step(theta, way, clip, penalty = 10, samples = 8) {
      const into = zeros();
      addValue(net, forward(net, 0), 1, into);
      addValue(net, forward(net, theta), -1, into);
      if (way === "penalty") {
        for (let k = 0; k < samples; k++) {
          const at = forward(net, uniform() * theta), size = Math.abs(at.slope);
          addSlope(net, at, (-2 * penalty * Math.max(0, size - 1) * Math.sign(at.slope)) / samples, into);
        }
      }
      steps += 1;
      const [rate, keep, own] = way === "clip" ? [5e-3, 0, 0.99] : [5e-3, 0.5, 0.9];
      for (const part of PARTS) {
        for (let k = 0; k < net[part].length; k++) {
          const slope = into[part][k];
          first[part][k] = keep * first[part][k] + (1 - keep) * slope;
          second[part][k] = own * second[part][k] + (1 - own) * slope * slope;
          const m = first[part][k] / (1 - keep ** steps || 1), s = second[part][k] / (1 - own ** steps);
          net[part][k] += (rate * m) / (Math.sqrt(s) + 1e-8);
          if (way === "clip") net[part][k] = Math.min(clip, Math.max(-clip, net[part][k]));
        }
      }
    },
    // The share of weights within 1 % of the bound.
    atBound(clip) {
      const weights = PARTS.flatMap(part => [...net[part]]);
      return weights.filter(weight => Math.abs(weight) > 0.99 * clip).length / weights.length;
    },
  };
}
