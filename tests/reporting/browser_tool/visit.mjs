// Opens a page and prints what a reader sees, as one JSON object:
//   requests: the addresses that the page asked for, without itself and data
//   errors: what the console shows as errors, and uncaught exceptions
//   views: for each view its text, the texts of its frames, its links, and what else it asks for
// A view is {name, hash, width, height, click: [selectors], keys: [keys], axe: selector, screenshot: path}.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [tool, question] = process.argv.slice(2);
process.env.TMPDIR = tool; // where the browser is unpacked
const require = createRequire(join(tool, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { default: chromium } = await load("@sparticuz/chromium");
const { default: puppeteer } = await load("puppeteer-core");
const axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const { page: address, views } = JSON.parse(await readFile(question, "utf8"));

const browser = await puppeteer.launch({
  executablePath: await chromium.executablePath(),
  args: [...chromium.args, "--no-sandbox"],
  headless: "shell",
});
const seen = { requests: [], errors: [], views: {} };
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  page.on("request", (request) => {
    const url = request.url();
    if (!/^(data|blob):/.test(url) && url.split("#")[0] !== address) seen.requests.push(url);
  });
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(address);
  await page.waitForFunction(() => document.querySelector("#app")?.innerText.length > 100);
  for (const view of views) seen.views[view.name] = await look(page, view);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));

async function look(page, { hash = "", width = 1280, height = 900, click = [], keys = [], axe: part, screenshot }) {
  await page.setViewport({ width, height });
  await page.evaluate((where) => (location.hash = where), hash);
  await settled(page);
  const scrolled = await page.evaluate(() =>
    Math.max(...[...document.querySelectorAll("*")].map((each) => each.scrollTop)),
  );
  if (click.length) await page.keyboard.press("Shift"); // until its reader does something, the page stays at its top
  for (const selector of click) {
    await page.waitForSelector(selector);
    await page.click(selector);
    await settled(page);
  }
  for (const key of keys) {
    await page.keyboard.press(key);
    await settled(page);
  }
  const view = await page.evaluate(() => ({
    text: document.body.innerText,
    frames: [...document.querySelectorAll("iframe")].map((frame) => frame.contentDocument?.body?.innerText ?? ""),
    links: [...document.querySelectorAll("a")].map((link) => [link.innerText, link.getAttribute("href")]),
    leaves: [...document.querySelectorAll('[data-testid="tree-leaf"]')].map((leaf) => [
      leaf.querySelector('[data-testid="tree-leaf-title"]').innerText,
      leaf.querySelector('[data-testid^="tree-leaf-status-"]').dataset.testid.replace("tree-leaf-status-", ""),
    ]),
    outside: [...document.querySelectorAll('a, [data-testid="metadata-item-value"]')]
      .filter((part) => part.getBoundingClientRect().right > innerWidth)
      .map((part) => part.innerText),
    address: location.hash,
  }));
  if (part) view.violations = await violations(page, part);
  if (screenshot) await page.screenshot({ path: screenshot });
  return { ...view, scrolled };
}

// Waits until nothing in the page has changed for 200 ms.
function settled(page) {
  return page.evaluate(
    () =>
      new Promise((done) => {
        const end = () => (watch.disconnect(), done());
        let timer = setTimeout(end, 200);
        const watch = new MutationObserver(() => {
          clearTimeout(timer);
          timer = setTimeout(end, 200);
        });
        watch.observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
      }),
  );
}

// Returns what axe-core finds in the part of the page that a selector matches.
async function violations(page, part) {
  await page.evaluate(axe);
  const found = await page.evaluate((where) => window.axe.run(where, { resultTypes: ["violations"] }), part);
  return found.violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html) }));
}
