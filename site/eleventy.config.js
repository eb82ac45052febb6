// Makes the site from the pages where they are: no text is copied into this folder. The folders
// of the site are those of the repository, so a link on a page leads to the same place in both.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as pagefind from "pagefind";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const read = (name) => fs.readFileSync(path.join(root, name), "utf8");
const home = process.env.PURSER_HOME || read("deploy/home").trim();
const index = "docs/README.md";
const decisions = "docs/decisions/README.md";

const sources = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
for (const folder of ["docs", "docs/decisions"]) {
  sources.push(...fs.readdirSync(path.join(root, folder)).filter((f) => f.endsWith(".md")).map((f) => `${folder}/${f}`));
}
const texts = new Map(sources.map((name) => [name, read(name)]));
const titleOf = (name) => texts.get(name).match(/^# (.*)/m)[1];
texts.set(decisions, ["# Decisions", ...sources.filter((n) => n.startsWith("docs/decisions/")).map((n) => `- [${titleOf(n)}](${path.basename(n)})`)].join("\n\n"));

const pageOf = (name) => name.replace(/README\.md$/, "index.md").replace(/\.md$/, ".html");
const relative = (from, to) => path.relative(path.dirname(from), to) || ".";

// target returns what a link of a page leads to on the site: a page, a picture, or the
// repository's own copy. A link that leads nowhere stops the build.
function target(from, link) {
  if (/^[a-z]+:|^#/.test(link)) return link;
  const [file, anchor] = link.split("#");
  const name = path.join(path.dirname(from), file);
  const page = [name, `${name}/README.md`].find((n) => texts.has(n));
  if (page) return relative(from, pageOf(page)) + (anchor ? `#${anchor}` : "");
  const found = fs.statSync(path.join(root, name), { throwIfNoEntry: false });
  if (!found) throw new Error(`${from} has a link to ${link}, which does not exist`);
  return name.startsWith("docs/pictures/") ? relative(from, name) : `${home}/${found.isDirectory() ? "tree" : "blob"}/main/${name}`;
}

// anchorOf is GitHub's name for a heading, which links on the pages use.
const anchorOf = (title) => title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").trim().replaceAll(" ", "-");
const plain = (inline) => inline.children.map((t) => t.content).join("");

// sections are the menu: the headings and links of the index.
const sections = [];
for (const line of texts.get(index).split("\n")) {
  if (line.startsWith("## ")) sections.push({ title: line.slice(3), pages: [] });
  if (!line.startsWith("- ")) continue;
  for (const [, title, link] of line.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)) {
    const to = target(index, link);
    if (!to.includes("#") && !to.includes(":")) sections.at(-1).pages.push({ title: title[0].toUpperCase() + title.slice(1), page: path.join("docs", to) });
  }
}

function markdown(md) {
  md.enable("code"); // indented blocks, which Eleventy switches off
  md.core.ruler.push("site", (state) => {
    const { source, headings } = state.env;
    state.tokens.forEach((token, i) => {
      if (token.type === "heading_open") {
        const title = plain(state.tokens[i + 1]);
        token.attrSet("id", anchorOf(title));
        if (token.tag === "h2") headings.push({ title, id: anchorOf(title) });
      }
      if (token.type === "th_open" && !state.tokens[i + 1].content) token.tag = state.tokens[i + 2].tag = "td";
      if (token.type === "td_open" && state.tokens[i + 1].content.length > 24) token.attrSet("class", "text");
      for (const child of token.children ?? []) {
        // A short word of code, such as --yes, stays on one line.
        if (child.type === "code_inline" && child.content.length < 25) child.attrSet("class", "short");
        if (child.type === "link_open") child.attrSet("href", target(source, child.attrGet("href")));
        if (child.type === "image") child.attrSet("src", target(source, child.attrGet("src")));
      }
    });
  });
  // A table or a picture that is wider than the screen scrolls by itself, also by the keyboard.
  md.renderer.rules.table_open = () => '<div class="wide" tabindex="0" role="group" aria-label="Table">\n<table>\n';
  md.renderer.rules.table_close = () => "</table>\n</div>\n";
  md.renderer.rules.image = (tokens, i, options, env, self) => {
    tokens[i].attrSet("alt", tokens[i].content);
    return `<span class="wide" tabindex="0" role="group" aria-label="Picture">${self.renderToken(tokens, i, options)}</span>`;
  };
  const fence = md.renderer.rules.fence;
  md.renderer.rules.fence = (tokens, i, ...rest) => {
    const html = fence(tokens, i, ...rest);
    if (tokens[i].info !== "console") return html;
    return html.replace(/(^|>)(\$ .*)$/gm, "$1<b>$2</b>").replace(/✓/g, '<span class="good">✓</span>').replace(/✗/g, '<span class="bad">✗</span>');
  };
}

export default function (site) {
  site.amendLibrary("md", markdown);
  for (const [name, text] of texts) {
    site.addTemplate(name, text, { source: name, title: titleOf(name), permalink: pageOf(name), layout: "page.njk", headings: [] });
  }
  site.addGlobalData("home", home);
  site.addGlobalData("sections", sections);
  site.addGlobalData("index", pageOf(index));
  site.addFilter("from", (to, page) => relative(page, to));
  site.addPassthroughCopy("pages/*.{css,js,svg}");
  site.addPassthroughCopy({ "../docs/pictures": "docs/pictures" });
  site.on("eleventy.after", async ({ directories }) => {
    const { index } = await pagefind.createIndex();
    await index.addDirectory({ path: directories.output });
    const { files } = await index.getFiles();
    for (const { path: name, content } of files) {
      if (/(ui|highlight|worker)\.(js|css)$/.test(name)) continue; // search.js has a form of its own
      fs.mkdirSync(path.dirname(path.join(directories.output, "pagefind", name)), { recursive: true });
      fs.writeFileSync(path.join(directories.output, "pagefind", name), content);
    }
    await pagefind.close();
  });
  return { markdownTemplateEngine: false, dir: { input: "pages", output: "../bin/site" } };
}
