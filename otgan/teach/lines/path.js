// The path: five chapters, each with a question to answer before the answer is shown, and what lies beyond them.
const PATH = [
  {
    title: "How far apart?",
    words: "P₀ is uniform on an upright segment, P<sub>θ</sub> on the same segment moved by θ. A model with this one parameter should learn θ = 0. Drag the lines: four distances look on.",
    question: "The lines are 0.8 apart. Halve that. Which distances notice?",
    answers: ["All four", "Only EM", "EM and KL", "None"], right: 1,
    reveal: () => { change({theta: 0.8}); glide(0.4); },
    because: "EM is |θ|, the length of the way. The others ask how much the laws overlap, and lines that do not touch overlap as little at 0.4 as at 0.8.",
    say: ({closed}) => state.theta === 0
      ? "The lines coincide: every distance is 0. Move one by a hair, and JS, KL and TV jump to their ceilings."
      : `At θ = ${round(state.theta, 2)} EM says ${round(closed.emd, 2)}. JS says log 2 = 0.693, KL ∞ and TV 1, as at every other θ but 0: their slopes are 0 or do not exist, so that nothing tells a model which way to go.`,
  },
  {
    title: "What samples say",
    words: "Nobody has the lines; we have draws. Exact distances between draws are one estimator, bins are another, entropic transport a third.",
    question: "Put the lines upon each other. What do the exact distances say of two independent draws of one law?",
    answers: ["All are 0", "All are small", "EM is small, JS and TV are at their ceilings", "EM is 0, JS and TV are small"], right: 2,
    reveal: () => { putBack(); change({same: false, cost: "emd"}); glide(0); },
    because: "No point is drawn twice, so the draws share no place, and JS and TV cannot tell them from strangers. EM shows noise, which falls as n grows: measure it before you read a number.",
    say: ({emd, atoms: exact, bins}) => {
      const crossed = bin(state.at, state.width) !== bin(state.at + state.theta, state.width), share = round(bins.tv, 2);
      const binnedWords = !upright() ? `Bins report a TV of ${share}.`
        : crossed ? "The line has crossed the edge of a bin: bins report the ceiling, near or far."
          : state.theta !== 0 ? `The line has not crossed the edge of a bin: they report a TV of ${share}, as if nothing had moved.`
            : bins.tv === 0 ? "Bins report a TV of 0 as well."
              : `Bins report a TV of ${share} where it is 0: noise that smaller bins make larger.`;
      return `Between ${state.n === 1 ? "this point and that" : `these ${state.n} points and those`}, EM is ${round(emd)}, where the lines have ${round(Math.abs(state.theta))}; TV is ${round(exact.tv, 2)}. ${binnedWords}`
        + (upright() ? "" : " A point has left its line: the closed form is still that of the lines.");
    },
  },
  {
    title: "Downhill",
    words: "A generator learns by descending a distance. Let five of them start at the same θ, each with the slope of its own distance.",
    question: "Who arrives at 0?",
    answers: ["All five", "EM and S_ε", "Only EM", "EM, JS and TV, the latter two slowly"], right: 1,
    reveal: () => document.getElementById("descend").click(),
    because: "EM has slope 1 everywhere, and the debiased entropic S_ε follows it. JS and TV are flat: they do not move slowly, they do not move.",
    say: () => (state.theta === 0 ? "The lines coincide already: move them apart first." : `The start is θ = ${round(state.theta, 2)}. Move the line to begin elsewhere.`),
  },
  {
    title: "The critic",
    words: "EM has a second face. Among all functions that nowhere rise by more than 1 per unit of length, take the one whose mean on P₀ exceeds its mean on P<sub>θ</sub> by the most: it is the critic of a WGAN.",
    question: "How much can the best of these functions gain between the lines?",
    answers: ["1", "|θ|", "log 2", "There is no bound"], right: 1,
    reveal: () => glide(0.7),
    because: "From one line to the other it can fall by |θ| and no more, and no plan can be cheaper than its gain: primal = dual, which proves both.",
    say: ({emd}) => `The plan costs ${round(emd)}, the critic gains as much. ` + (state.theta !== 0
      ? "Along each arc it falls by the whole length of the arc, a slope of 1 that leads the generator home; the discriminator of JS is certain at both ends, and flat."
      : `The lines coincide: ${emd === 0 ? "there is nothing to gain" : upright() ? "what it gains is the noise of the draws" : "what it gains lies in single points"}, and the discriminator of JS is ½ everywhere.`),
  },
  {
    title: "Blur",
    words: "Entropic transport pays ε for every nat of certainty in the plan. It is smooth and fast, and it is not EM: see what ε does to the plan and to the value.",
    question: "Give both lines the same points. Is the entropic value OT_ε then 0?",
    answers: ["Yes, at every ε", "No, but S_ε is", "Both are 0 only as ε grows"], right: 1,
    reveal: () => { putBack(); change({same: true}); glide(0); },
    because: "A blurred plan moves mass although nothing has to move, and pays for it. S_ε subtracts half of what each side pays against itself: it is 0 between equal samples.",
    say: ({entropic: soft, emd}) => soft === null ? "" : `At ε = ${round(state.epsilon)} OT_ε is ${round(soft.value)} and S_ε is ${round(soft.divergence)}, beside an EM of ${round(emd)}. `
      + (soft.shared < 1.5 ? "The plan is nearly the sharp one." : soft.shared > 0.8 * state.n ? "The plan sends every point nearly everywhere: S_ε sees little more than the means." : `Each point is shared among some ${round(soft.shared, 0)}.`),
  },
  {
    title: "Beyond the toy",
    words: "Lines are the extreme. Here are laws that turn, that overlap, that are learnt, and that are seen through small batches.",
    say: () => "",
  },
];

function journey(host, nav) {
  const list = element("ol", {}, nav);
  const stops = PATH.map(({title}, k) => {
    const stop = element("button", {type: "button", text: `${k + 1}. ${title}`}, element("li", {}, list));
    stop.addEventListener("click", () => change({chapter: k + 1}));
    return stop;
  });
  const title = element("h2", {id: "chapter-title"}, host), text = element("p", {}, host);
  const quiz = element("fieldset", {id: "quiz"}, host);
  const said = element("p", {id: "say", "aria-live": "polite"}, host);
  const answered = new Map();
  let shown = 0, timer = 0, spoken = null;

  function ask_(number) {
    const {title: name, words: lead, question, answers} = PATH[number - 1];
    title.textContent = `${number}. ${name}`;
    text.innerHTML = lead;
    quiz.hidden = question === undefined;
    quiz.replaceChildren();
    if (quiz.hidden) return;
    element("legend", {html: `Predict: ${question}`.replace("_ε", "<sub>ε</sub>")}, quiz);
    answers.forEach((answer, k) => {
      const label = element("label", {}, quiz);
      label.append(element("input", {type: "radio", name: "answer", value: k}), element("span", {html: ` ${answer.replace(/_ε/g, "<sub>ε</sub>")}`}));
    });
    const button = element("button", {type: "button", id: "reveal", class: "main", text: "Show me"}, quiz);
    const because = element("p", {id: "because", "aria-live": "polite"}, quiz);
    button.addEventListener("click", () => reveal(number, because));
    if (answered.has(number)) mark(number, because, answered.get(number));
  }
  function mark(number, because, picked) {
    const {right, because: why, answers} = PATH[number - 1];
    quiz.querySelectorAll("label").forEach((label, k) => label.classList.toggle("right", k === right));
    const verdict = picked === null ? `It is: ${answers[right]}.` : picked === right ? "You were right." : `It is another: ${answers[right]}.`;
    because.innerHTML = `<b>${verdict}</b> ${why}`.replace(/_ε/g, "<sub>ε</sub>");
  }
  function reveal(number, because) {
    const picked = quiz.querySelector("input:checked"), value = picked === null ? null : Number(picked.value);
    answered.set(number, value);
    mark(number, because, value);
    PATH[number - 1].reveal();
  }
  return found => {
    if (shown !== state.chapter) {
      shown = state.chapter;
      ask_(shown);
      document.body.dataset.chapter = shown;
      list.scrollLeft = stops[shown - 1].offsetLeft - list.clientWidth / 3;
      stops.forEach((stop, k) => (k + 1 === shown ? stop.setAttribute("aria-current", "step") : stop.removeAttribute("aria-current")));
    }
    const now = PATH[shown - 1].say(found).replace(/_ε/g, "<sub>ε</sub>");
    if (spoken === now) return;
    spoken = now;
    // A reader of screens is told when the motion has ended, not sixty times a second.
    said.setAttribute("aria-busy", "true");
    said.innerHTML = now;
    clearTimeout(timer);
    timer = setTimeout(() => said.removeAttribute("aria-busy"), 400);
  };
}
