// Beyond the toy: lines at an angle, two Gaussians, eight Gaussians with the noise floor, and why small batches shrink.
const range = (name, title, low, high, step, value) =>
  `<label class="range">${title} <output></output><input type="range" name="${name}" min="${low}" max="${high}" step="${step}" value="${value}"></label>`;
const facts = rows => rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("");

const STAGES = {
  angle: {
    title: "Lines at an angle",
    controls: range("turn", "angle in degrees", -90, 90, 1, 40) + range("far", "distance of the middles", 0, 1, 0.01, 0.3),
    make: host => axes(host, {label: "", height: 260, x: [-1.1, 1.1], y: [-0.15, 1.15], xTicks: [[-1, "−1"], [0, "0"], [1, "1"]], yTicks: [[0, "0"], [1, "1"]]}),
    draw(box, {turn, far}) {
      const n = 32, angle = (turn * Math.PI) / 180, {uniform} = generator(data.seed + 5);
      const x = Array.from({length: n}, () => [0, uniform()]);
      const y = Array.from({length: n}, () => { const t = uniform() - 0.5; return [far + t * Math.sin(angle), 0.5 + t * Math.cos(angle)]; });
      const {plan} = assignment(costs(x, y), n), found = {emd: planCost(x, y, plan), ...atoms(x, y)};
      box.draw(() => x.map((from, i) => line(box.X(from[0]), box.Y(from[1]), box.X(y[plan[i]][0]), box.Y(y[plan[i]][1]), "arc")).join("")
        + x.map(at => dot(box.X(at[0]), box.Y(at[1]), 3.5, "point side0")).join("") + y.map(at => dot(box.X(at[0]), box.Y(at[1]), 3.5, "point side1")).join(""));
      box.describe(`Two lines at an angle of ${turn} degrees; EM ${round(found.emd)}`);
      return [[["EM", round(found.emd)], ["JS", round(found.js)], ["KL", round(found.kl)], ["TV", round(found.tv)]],
        turn === 0 && far === 0 ? "The laws are one, and the draws still share no point: JS and TV are at their ceilings, EM shows its noise."
          : `${turn === 0 ? "Parallel lines share no point" : "Where the lines cross they share one point, which has no mass"}: JS, KL and TV are at their ceilings. EM changes continuously with the angle and the distance, with a slope almost everywhere, so both can be learnt by it.`];
    },
  },
  gaussians: {
    title: "Two Gaussians",
    controls: range("mean", "mean of the second", -6, 6, 0.05, 2) + range("scale", "its standard deviation", 0.2, 3, 0.05, 1),
    make: host => axes(host, {label: "", height: 220, x: [-8, 8], y: [0, 1], xTicks: [[-6, "−6"], [0, "0"], [6, "6"]], yTicks: [[0, "0"], [1, "1"]], xTitle: "z"}),
    draw(box, {mean, scale}) {
      const found = gaussians(mean, scale), ahead = gaussians(mean + 0.01, scale), behind = gaussians(mean - 0.01, scale);
      const density = (z, mu, sigma) => Math.exp(-0.5 * ((z - mu) / sigma) ** 2) / (sigma * Math.sqrt(2 * Math.PI));
      const grid = Array.from({length: 321}, (_, k) => -8 + k / 20), peak = density(mean, mean, scale);
      box.y = [0, peak > 1 ? 2.1 : peak > 0.5 ? 1.05 : 0.55];
      box.yTicks = [0, box.y[1] > 1.5 ? 1 : 0.5, Math.floor(box.y[1])].filter((value, k) => k < 2 || value > 0).map(value => [value, String(value)]);
      box.draw(() => path(grid.map(z => [box.X(z), box.Y(density(z, 0, 1))]), "side0 curve thick") + path(grid.map(z => [box.X(z), box.Y(density(z, mean, scale))]), "side1 curve thick"));
      box.describe(`Densities of N(0, 1) and N(${round(mean, 2)}, ${round(scale, 2)} squared)`);
      const slope = name => (ahead[name] - behind[name]) / 0.02, small = value => (Math.abs(value) < 5e-4 ? tiny(value) : round(value));
      return [["emd", "w2", "js", "kl", "tv"].map(name => [name === "w2" ? "W₂" : spelled(name), `${round(found[name])}<small>slope ${small(slope(name))}</small>`]),
        found.tv > 0.95 ? "They hardly overlap: JS and TV are nearly flat again, as between the lines. EM and W₂ keep a slope of nearly 1 in size."
          : mean === 0 ? "In the mean every distance is least here. Move it, and all have a slope."
            : "These laws overlap, and every distance has a slope in the mean: the lines are the extreme case of a thing that comes by degrees. Move the mean beyond 4."];
    },
  },
  eight: {
    title: "Eight Gaussians, and the floor",
    controls: range("share", "how far the model has come", 0, 1, 0.01, 0.6) + range("size", "points of each", 16, 128, 1, 64),
    make: host => axes(host, {label: "", height: 300, x: [-2.6, 2.6], y: [-2.2, 2.2], xTicks: [[-2, "−2"], [0, "0"], [2, "2"]], yTicks: [[-2, "−2"], [0, "0"], [2, "2"]]}),
    draw(box, {share, size}) {
      const {uniform, normal} = generator(data.seed + 17);
      const real = () => {
        const turn = (2 * Math.PI * Math.floor(8 * uniform())) / 8;
        return [(2 * Math.cos(turn) + 0.02 * normal()) / Math.SQRT2, (2 * Math.sin(turn) + 0.02 * normal()) / Math.SQRT2];
      };
      const cloud = () => Array.from({length: 128}, real).slice(0, size);
      const truth = cloud(), goal = cloud(), noise = Array.from({length: 128}, () => [normal(), normal()]).slice(0, size);
      // The best that a point of noise can do is to go to where the plan sends it.
      const way = assignment(costs(noise, goal), size).plan;
      const model = noise.map((from, i) => [0, 1].map(c => (1 - share) * from[c] + share * goal[way[i]][c]));
      const {plan} = assignment(costs(truth, model), size), emd = planCost(truth, model, plan);
      const floors = [0, 1, 2, 3].map(() => { const a = cloud(), b = cloud(); return planCost(a, b, assignment(costs(a, b), size).plan); });
      const floor = floors.reduce((s, c) => s + c, 0) / floors.length;
      box.draw(() => truth.map((from, i) => line(box.X(from[0]), box.Y(from[1]), box.X(model[plan[i]][0]), box.Y(model[plan[i]][1]), "arc")).join("")
        + truth.map(at => dot(box.X(at[0]), box.Y(at[1]), 3.5, "point side0")).join("") + model.map(at => dot(box.X(at[0]), box.Y(at[1]), 3.5, "point side1")).join(""));
      box.describe(`Data and model; EM ${round(emd)}, floor ${round(floor)}`);
      return [[["EM, model to data", round(emd)], ["floor: data to other data", round(floor)], ["above the floor", round(Math.max(0, emd - floor))]],
        emd <= 1.1 * floor ? "The model is as near to the data as other data are. With so many points nobody can tell more: draw more, and the floor falls."
          : "EM between draws is never 0: the floor is what two draws of the data show. A number means something by how far it stands above its floor."];
    },
  },
  batches: {
    title: "Why small batches shrink",
    controls: range("batch", "points in a batch", 1, 128, 1, 4),
    make: host => axes(host, {label: "", height: 240, x: [0, 1.5], y: [-0.1, 2], xTicks: [[0, "0"], [0.5, "0.5"], [1, "1"], [1.5, "1.5"]], yTicks: [[0, "0"], [1, "1"], [2, "2"]], xTitle: "r, the scale of the generator"}),
    draw(box, {batch}) {
      const {plain, debiased} = batchMinima(batch), grid = Array.from({length: 61}, (_, k) => k / 40);
      // One point against one point: without the bias nothing is left that depends on r.
      const flat = kind => kind === "entropic" && batch === 1;
      box.draw(() => [[plain, "emd"], [debiased, "entropic"]].map(([{at, value}, kind]) =>
        path(grid.filter(r => value(r) <= box.y[1]).map(r => [box.X(r), box.Y(value(r))]), `${kind} curve thick`) + (flat(kind) ? "" : line(box.X(at), box.Y(value(at)), box.X(at), box.low, `${kind} drop`) + dot(box.X(at), box.Y(value(at)), 5, `${kind} mark`))).join(""));
      box.describe(`Expected transport over r for batches of ${batch}: least at ${round(plain.at, 2)}, debiased ${batch === 1 ? "nowhere" : `at ${round(debiased.at, 2)}`}`);
      return [[["least transport at r =", `<i class="emd"></i>${round(plain.at)}`], ["debiased, at r =", `<i class="entropic"></i>${batch === 1 ? "any" : round(debiased.at)}`], ["the data have r =", "1"]],
        "The data are N(0, 1), the generator r·N(0, 1), and W₂² is measured between batches. A generator that shrinks towards the middle pays less on average, the more so the smaller the batch. Subtracting half of what each law costs against itself takes this away" + (batch === 1 ? "; of single points it leaves nothing that depends on r." : ".")];
    },
  },
};

// The expectation of W₂² between batches of m draws, A − 2 r B + r² C: the plan between sorted numbers keeps their order.
function batchMinima(m) {
  const {normal} = generator(data.seed + 29), turns = Math.max(60, Math.ceil(6000 / m));
  const batch = () => Float64Array.from({length: m}, normal).sort();
  const inner = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0) / m;
  let cross = 0, square = 0, own = 0;
  for (let turn = 0; turn < turns; turn++) {
    const x = batch(), y = batch(), other = batch();
    cross += inner(x, y) / turns;
    square += (inner(x, x) + inner(y, y)) / 2 / turns;
    own += inner(y, other) / turns;
  }
  const plain = r => square - 2 * r * cross + r * r * square, self = square - own;
  return {
    plain: {at: Math.max(0, cross / square), value: plain},
    debiased: {at: cross / own, value: r => plain(r) - self - r * r * self},
  };
}

function beyond(host) {
  const choice = element("fieldset", {class: "choice"}, host);
  element("legend", {text: "Show"}, choice);
  for (const name of SCENES) {
    const label = element("label", {}, choice);
    label.append(element("input", {type: "radio", name: "scene", value: name}), ` ${STAGES[name].title}`);
  }
  const stages = Object.fromEntries(SCENES.map(name => {
    const stage = element("section", {class: "stage", "aria-label": STAGES[name].title, hidden: ""}, host);
    const box = STAGES[name].make(stage);
    const controls = element("div", {class: "controls", html: STAGES[name].controls}, stage);
    const list = element("dl", {class: "facts"}, stage), said = element("p", {"aria-live": "polite"}, stage);
    controls.addEventListener("input", ask);
    return [name, {stage, box, controls, list, said, last: null}];
  }));
  choice.addEventListener("input", event => change({scene: event.target.value}));

  return () => {
    if (state.chapter !== 6) return;
    choice.querySelector(`[value=${state.scene}]`).checked = true;
    for (const [name, own] of Object.entries(stages)) {
      own.stage.hidden = name !== state.scene;
      if (own.stage.hidden) continue;
      const chosen = {};
      for (const input of own.controls.querySelectorAll("input")) {
        chosen[input.name] = Number(input.value);
        input.previousElementSibling.textContent = round(chosen[input.name], Number(input.step) < 1 ? 2 : 0);
      }
      const now = `${JSON.stringify(chosen)} ${own.stage.clientWidth}`;
      if (own.last === now) continue;
      own.last = now;
      const [rows, text] = STAGES[name].draw(own.box, chosen);
      own.list.innerHTML = facts(rows);
      if (own.said.textContent !== text) own.said.textContent = text;
    }
  };
}
