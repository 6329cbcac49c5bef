// The dual of EM: the best 1-Lipschitz potential and its slope, beside a discriminator, which saturates; and critics that
// learn it with clipped weights or with a penalty.
function duality(host) {
  const pair = element("div", {class: "panels two"}, host);
  const ticks = [[-1, "−1"], [0, "0"], [1, "1"]];
  const critique = axes(pair, {
    title: "The critic of EM: φ and its slope, at half the height", label: "", height: 200, xTitle: "x", x: [-1.25, 1.25], y: [-1.3, 1.3],
    xTicks: ticks, yTicks: [[-1, "−1"], [0, "0"], [1, "1"]],
  });
  const judge = axes(pair, {
    title: "The discriminator of JS: D and its slope <small>off the lines any D will do</small>", label: "", height: 200, xTitle: "x", x: [-1.25, 1.25], y: [-0.12, 1.12],
    xTicks: ticks, yTicks: [[0, "0"], [0.5, "½"], [1, "1"]],
  });
  element("p", {class: "legend", html: key("emd", "φ") + key("js", "D") + key("slope", "their slopes")}, host);
  const facts = element("dl", {class: "facts", id: "dual"}, host);
  element("h3", {text: "Let a critic learn it"}, host);
  const form = element("div", {class: "buttons"}, host);
  form.innerHTML = `<fieldset class="choice"><legend>Held by</legend>
    <label><input type="radio" name="way" value="penalty" checked> a penalty on slopes above 1</label>
    <label><input type="radio" name="way" value="clip"> clipped weights</label></fieldset>
    <label class="range" id="clipping" hidden>c <output></output><input type="range" min="-2" max="-0.2" step="0.05" value="-1"></label>
    <button type="button" class="main" id="learn">Learn</button>`;
  const learnt = axes(host, {
    title: "What it has learnt, over the φ that is best", label: "", height: 200, xTitle: "x", x: [-1.25, 1.25], y: [-1.3, 1.3],
    xTicks: ticks, yTicks: [[-1, "−1"], [0, "0"], [1, "1"]],
  });
  const said = element("p", {id: "learnt", "aria-live": "off"}, host);
  const button = form.querySelector("#learn"), clipping = form.querySelector("#clipping"), slider = clipping.querySelector("input");
  const way = () => form.querySelector("input[name=way]:checked").value;
  const clip = () => 10 ** Number(slider.value);
  const STEPS = 600;
  const school = {critic: null, active: false, key: null};
  const multiple = value => (Math.abs(value) < 1e-3 ? tiny(value) : round(value, 2));
  const pupil = () => {
    const chosen = `${way()} ${slider.value} ${state.theta}`;
    if (school.key !== chosen) Object.assign(school, {key: chosen, critic: critic(12), active: school.active && school.critic !== null});
    return school.critic;
  };
  form.addEventListener("input", () => { clipping.hidden = way() !== "clip"; school.active = false; ask(); });
  button.addEventListener("click", () => {
    if (pupil().steps >= STEPS) { school.key = null; pupil(); }
    school.active = !school.active;
    if (school.active && still()) {
      while (pupil().steps < STEPS) pupil().step(state.theta, way(), clip());
      school.active = false;
    }
    ask();
  });

  return found => {
    if (state.chapter !== 4) { school.active = false; return; }
    const theta = state.theta, {f, g} = assignment(costs(found.x, found.y), found.x.length);
    const raw = potential(found.y, g), middle = raw([state.at, 0.5]);
    const phi = x => raw([x + state.at, 0.5]) - middle;
    const grid = Array.from({length: 126}, (_, k) => -1.25 + k / 50);
    const dual = (f.reduce((s, c) => s + c, 0) + g.reduce((s, c) => s + c, 0)) / f.length;
    let steepest = 0;
    const all = [...found.x, ...found.y], values = all.map(raw);
    for (let i = 0; i < all.length; i++) for (let j = 0; j < i; j++) {
      const far = Math.hypot(all[i][0] - all[j][0], all[i][1] - all[j][1]);
      if (far > 0) steepest = Math.max(steepest, Math.abs(values[i] - values[j]) / far);
    }
    const marks = box => line(box.X(0), box.top, box.X(0), box.low, "place side0") + line(box.X(theta), box.top, box.X(theta), box.low, "place side1");
    const slopes = grid.map(x => [x, (phi(x + 0.005) - phi(x - 0.005)) / 0.01]);
    critique.draw(() => marks(critique) + path(slopes.map(([x, s]) => [critique.X(x), critique.Y(s)]), "slope curve") + path(grid.map(x => [critique.X(x), critique.Y(phi(x))]), "emd curve thick")
      + dot(critique.X(0), critique.Y(phi(0)), 5, "emd mark") + dot(critique.X(theta), critique.Y(phi(theta)), 5, "emd mark"));
    critique.describe(`The potential falls from ${round(phi(0), 2)} at 0 to ${round(phi(theta), 2)} at theta with a slope of 1 at most`);
    // The best discriminator is 1 on one line and 0 on the other; between them nothing has mass, and any value will do.
    judge.draw(() => marks(judge) + path([[judge.X(-1.25), judge.Y(0)], [judge.X(1.25), judge.Y(0)]], "slope curve") + (theta === 0
      ? path([[-1.25, 0.5], [1.25, 0.5]].map(([x, d]) => [judge.X(x), judge.Y(d)]), "js curve thick")
      : path(grid.map(x => [judge.X(x), judge.Y((x < theta / 2) === theta > 0 ? 1 : 0)]), "js curve thick"))
      + dot(judge.X(0), judge.Y(theta === 0 ? 0.5 : 1), 5, "js mark") + dot(judge.X(theta), judge.Y(theta === 0 ? 0.5 : 0), 5, "js mark"));
    judge.describe(theta === 0 ? "The discriminator is one half everywhere" : "The discriminator is 1 at 0 and 0 at theta, and flat at both");
    facts.innerHTML = [
      ["primal, the cost of the plan", round(found.emd, 4)], ["dual, the gain of φ", round(dual, 4)],
      ["gap", tiny(Math.abs(found.emd - dual))], ["steepest slope of φ", round(steepest, 3)],
      ["slope of D at P<sub>θ</sub>", theta === 0 ? "0" : "0 (saturated)"],
    ].map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("");

    const student = pupil();
    if (school.active) {
      for (let k = 0; k < 6 && student.steps < STEPS; k++) student.step(theta, way(), clip());
      if (student.steps >= STEPS) school.active = false; else ask();
    }
    button.textContent = school.active ? "Pause" : student.steps > 0 && student.steps < STEPS ? "Go on" : "Learn";
    clipping.querySelector("output").textContent = round(clip(), 3);
    const zero = student.value(0), gain = zero - student.value(theta);
    learnt.draw(() => marks(learnt) + path(grid.map(x => [learnt.X(x), learnt.Y(phi(x))]), "emd curve faint")
      + path(grid.map(x => [learnt.X(x), learnt.Y(Math.max(-1.3, student.value(x) - zero))]), "entropic curve thick"));
    learnt.describe(`The critic after ${student.steps} steps gains ${round(gain, 3)}`);
    const slope = Math.abs(student.slope(theta / 2));
    said.innerHTML = student.steps === 0 ? "A small network, drawn at random. It has learnt nothing yet."
      : `After ${student.steps} steps it gains <b>${round(gain, 4)}</b> where EM of the lines is ${round(Math.abs(theta), 2)}; its slope between the lines is <b>${multiple(slope)}</b>. `
      + (way() === "clip"
        ? `${Math.round(100 * student.atBound(clip()))} % of its weights sit at ±${round(clip(), 3)}: the bound on weights, not one on slopes, decides how steep it may be. ${theta === 0 ? "" : `The gain is K · EM with a K of ${multiple(gain / Math.abs(theta))}. `}Try another c.`
        : theta === 0 ? "Between lines that coincide there is nothing to gain."
          : Math.abs(gain - Math.abs(theta)) <= 0.15 * Math.abs(theta) ? "The penalty holds the slope near 1 where the generator moves: the gain is nearly EM itself."
            : "The penalty draws the slope towards 1 where the generator moves; it has not come there yet.");
    said.dataset.gain = gain;
    said.dataset.steps = student.steps;
  };
}
