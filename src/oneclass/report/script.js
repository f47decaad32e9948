"use strict";
document.documentElement.classList.add("js");
(() => {
  const tiles = document.getElementById("tiles");
  if (!tiles) return;
  const all = [...tiles.children];
  const [find, verdict, group, order, heat, left, more] =
    ["find", "verdict", "group", "order", "heat", "none-left", "more"].map((id) => document.getElementById(id));
  let most = 28;
  const fewMore = 12; // not worth a click
  const by = {
    oddest: (a, b) => a.dataset.rank - b.dataset.rank,
    calmest: (a, b) => b.dataset.rank - a.dataset.rank,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
  };
  const slashed = (text) => text.toLowerCase().replaceAll("\\", "/");
  const called = (name) => {
    const [wanted, own] = [find.value.trim(), name].map(slashed);
    // A whole path finds the image, too, whose outer folders are not told here.
    return own.includes(wanted) || wanted.endsWith(`/${own.replace(/ \(\d+\)$/, "")}`);
  };
  const fits = ({ dataset }) =>
    called(dataset.name) &&
    ["all", dataset.verdict, dataset.wrong, dataset.wrong && "wrong",
      dataset.said && "said", dataset.said && `said ${dataset.said}`].includes(verdict.value) &&
    ["all", ...(dataset.groups ?? "").split(" ")].includes(group.value);
  const rows = [...document.querySelectorAll("#rows tbody tr")];
  const show = () => {
    const fitting = all.filter(fits).length;
    const shown = fitting <= most + fewMore ? fitting : most;
    let seen = 0;
    for (const tile of all) tile.hidden = !fits(tile) || ++seen > shown;
    for (const row of rows) row.hidden = !fits(row);
    left.style.display = fitting ? "none" : "block";
    more.parentElement.hidden = fitting <= shown;
    more.textContent = `Show all ${fitting}`;
  };
  find.addEventListener("input", show);
  verdict.addEventListener("change", show);
  group.addEventListener("change", show);
  group.hidden = group.options.length < 2;
  order.addEventListener("change", () => {
    all.sort(by[order.value]);
    tiles.append(...all);
    show();
  });
  more.addEventListener("click", () => {
    most = Infinity;
    show();
  });
  show();
  for (const link of document.querySelectorAll("button.link")) {
    link.addEventListener("click", () => {
      [find.value, verdict.value, group.value] = ["", "all", link.dataset.group];
      show();
      group.focus();
      group.scrollIntoView({ block: "center" });
    });
  }

  const plain = (stack) => {
    const copy = stack.cloneNode(true);
    copy.querySelector(".heat")?.remove();
    return copy;
  };
  if (!heat.hidden) {
    for (const stack of tiles.querySelectorAll(".stack")) {
      if (!stack.querySelector(".heat")) continue;
      const copy = plain(stack);
      copy.classList.add("copy");
      copy.firstElementChild.alt = "";
      stack.before(copy);
    }
    const lay = () => (tiles.className = `tiles ${heat.value}`);
    heat.addEventListener("change", lay);
    lay();
  }
  const sliders = [...document.querySelectorAll(".opacity")];
  for (const slider of sliders) {
    slider.addEventListener("input", () => {
      for (const other of sliders) other.value = slider.value;
      document.documentElement.style.setProperty("--heat", slider.value / 100);
    });
  }

  const large = document.getElementById("large");
  let current;
  const enlarge = (tile) => {
    current = tile;
    const stack = tile.querySelector(".stack:not(.copy)");
    const both = stack.querySelector(".heat") ? [plain(stack), stack.cloneNode(true)] : [plain(stack)];
    large.querySelector(".pair").replaceChildren(...both);
    document.getElementById("large-name").textContent = tile.dataset.name;
    document.getElementById("large-about").textContent =
      [...tile.querySelectorAll(".odds, .verdict")].map((span) => span.textContent).join(", ");
    if (!large.open) large.showModal();
  };
  const step = (by) => {
    const shown = [...tiles.querySelectorAll(".tile:not([hidden])")].filter((tile) => tile.querySelector(".stack"));
    const next = shown[shown.indexOf(current) + by];
    if (next) enlarge(next);
  };
  tiles.addEventListener("click", (event) => {
    const frame = event.target.closest("button.frame");
    if (frame) enlarge(frame.parentElement);
  });
  large.addEventListener("keydown", (event) => {
    if (event.target.type === "range") return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  large.addEventListener("click", (event) => {
    if (event.target === large) large.close();
  });
  large.addEventListener("close", () => current.querySelector("button.frame").focus());
  document.getElementById("before").addEventListener("click", () => step(-1));
  document.getElementById("after").addEventListener("click", () => step(1));
  document.getElementById("close").addEventListener("click", () => large.close());

  document.querySelectorAll("#rows th").forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      head.parentElement.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const number = head.classList.contains("number");
      rows.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        const sign = number ? x - y : x.localeCompare(y, undefined, { numeric: true });
        return down ? -sign : sign;
      });
      document.querySelector("#rows tbody").append(...rows);
    });
  });
})();
