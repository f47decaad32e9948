"use strict";
document.documentElement.classList.add("js");
(() => {
  const tiles = document.getElementById("tiles");
  if (!tiles) return;
  const all = [...tiles.children];
  const find = document.getElementById("find");
  const verdict = document.getElementById("verdict");
  const order = document.getElementById("order");
  const heat = document.getElementById("heat");
  const left = document.getElementById("none-left");
  const more = document.getElementById("more");
  let most = 28;
  const by = {
    oddest: (a, b) => a.dataset.rank - b.dataset.rank,
    calmest: (a, b) => b.dataset.rank - a.dataset.rank,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
  };
  const fits = (element) =>
    element.dataset.name.toLowerCase().includes(find.value.toLowerCase()) &&
    (verdict.value === "all" || element.dataset.verdict === verdict.value);
  const rows = [...document.querySelectorAll("#rows tbody tr")];
  const show = () => {
    let fitting = 0;
    for (const tile of all) tile.hidden = !fits(tile) || ++fitting > most;
    for (const row of rows) row.hidden = !fits(row);
    left.style.display = fitting ? "none" : "block";
    more.parentElement.hidden = fitting <= most;
    more.textContent = `Show all ${fitting}`;
  };
  find.addEventListener("input", show);
  verdict.addEventListener("change", show);
  order.addEventListener("change", () => {
    tiles.append(...all.sort(by[order.value]));
    show();
  });
  more.addEventListener("click", () => {
    most = Infinity;
    show();
  });
  show();
  if (heat) heat.addEventListener("change", () => tiles.classList.toggle("no-heat", !heat.checked));
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
