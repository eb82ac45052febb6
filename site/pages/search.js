// Searches the index that the build made. Pagefind loads only the parts of it that a word needs.
import { createInstance } from "./pagefind/pagefind.js";

const pagefind = createInstance({ noWorker: true }); // the index is small

const form = document.getElementById("search");
const told = document.getElementById("told");
const found = document.getElementById("found");

async function search() {
  const words = form.q.value.trim();
  history.replaceState(null, "", words ? `?q=${encodeURIComponent(words)}` : location.pathname);
  const answer = await pagefind.debouncedSearch(words, {}, 100);
  if (!answer) return; // somebody typed on
  const pages = await Promise.all(answer.results.slice(0, 10).map((r) => r.data()));
  if (words !== form.q.value.trim()) return;
  const count = `${answer.results.length} ${answer.results.length === 1 ? "page has" : "pages have"} “${words}”`;
  told.textContent = !words ? "Type a word, such as rotate." : !pages.length ? `No page has “${words}”.` : answer.results.length > pages.length ? `${count}; these fit best.` : `${count}.`;
  found.replaceChildren(...pages.map((page) => {
    const entry = document.createElement("li");
    const link = document.createElement("a");
    link.href = page.url;
    link.textContent = page.meta.title;
    const text = document.createElement("p");
    text.innerHTML = page.excerpt; // Pagefind's own: escaped, with <mark> around the words
    entry.append(link, text);
    return entry;
  }));
}

form.q.value = new URLSearchParams(location.search).get("q") ?? "";
form.hidden = false;
form.addEventListener("input", search);
form.addEventListener("submit", (event) => event.preventDefault());
search();
