// Drives a browser: takes one command a line on stdin, as JSON, and answers each with one line on stdout.
import {createInterface} from "node:readline";
import {readFileSync} from "node:fs";
import {fileURLToPath} from "node:url";
import {chromium} from "playwright-core";

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const browser = await chromium.launch({executablePath: process.argv[2], args: ["--no-sandbox", "--disable-gpu"]});
const pages = new Map(), WAIT_MS = 30000;

async function open({width, height, scheme}) {
  const context = await browser.newContext({viewport: {width, height}, colorScheme: scheme});
  const page = await context.newPage(), id = pages.size;
  const seen = {page, problems: [], requests: []};
  page.on("pageerror", error => seen.problems.push(String(error)));
  page.on("console", message => { if (["error", "warning"].includes(message.type())) seen.problems.push(message.text()); });
  page.on("request", request => seen.requests.push(request.url()));
  await page.addInitScript(() => {
    window.shifted = 0;
    new PerformanceObserver(list => { for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value; }).observe({type: "layout-shift", buffered: true});
  });
  pages.set(id, seen);
  return id;
}
// Not waitForFunction: its later looks are evaluations of a string, which the page's policy forbids.
async function wait(seen, {code, inFrame}) {
  const end = Date.now() + WAIT_MS;
  while (!(await inner(seen, inFrame).evaluate(code))) {
    if (Date.now() > end) throw new Error(`never came true: ${code}; shown: ${(await inner(seen, inFrame).innerText("body")).slice(0, 2000)}`);
    await new Promise(done => setTimeout(done, 50));
  }
}
const inner = ({page}, inFrame) => inFrame ? page.frames()[1] : page;
const acts = {
  goto: (seen, {url}) => seen.page.goto(url).then(() => null),
  content: (seen, {html}) => seen.page.setContent(html),
  script: (seen, {path}) => seen.page.addScriptTag({path}).then(() => null),
  eval: (seen, {code, arg, inFrame}) => inner(seen, inFrame).evaluate(([text, value]) => (0, eval)(text)(value), [code, arg]),
  run: (seen, {code, inFrame}) => inner(seen, inFrame).evaluate(code),
  wait,
  click: (seen, {selector, inFrame}) => inner(seen, inFrame).click(selector),
  fill: (seen, {selector, text}) => seen.page.fill(selector, text),
  choose: (seen, {selector, value}) => seen.page.selectOption(selector, value),
  press: (seen, {key}) => seen.page.keyboard.press(key),
  text: (seen, {selector, inFrame}) => inner(seen, inFrame).innerText(selector),
  shot: (seen, {path, full}) => seen.page.screenshot({path, fullPage: full}).then(() => null),
  seen: async ({problems, requests}) => ({problems, requests}),
  close: async seen => { await seen.page.context().close(); },
  // Sees the page as axe's own runner does; the policy of the page forbids a script tag, so it is evaluated.
  axe: async (seen, {inFrame}) => {
    await inner(seen, inFrame).evaluate(axe);
    const found = await inner(seen, inFrame).evaluate(() => window.axe.run(document, {resultTypes: ["violations"]}));
    return found.violations.map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.target.join(" ") + " " + (node.failureSummary || "")).join(" | ")}`);
  },
};
for await (const line of createInterface({input: process.stdin})) {
  const {act, page, ...more} = JSON.parse(line);
  let answer;
  try {
    answer = {value: (act === "open" ? await open(more) : await acts[act](pages.get(page), more)) ?? null};
  } catch (error) {
    answer = {error: String(error)};
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
