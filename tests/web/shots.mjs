import { launch, open, serve, frames, next_picture, listed } from "./browser.js";
process.env.CHROMIUM ??= "/usr/bin/chromium";
const out = process.argv[2];
const server = await serve();
const browser = await launch();
const shots = [
  ["phone-light", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "light", isMobile: true, hasTouch: true }],
  ["desktop-dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }],
];
for (const [name, options] of shots) {
  const page = await open(browser, server.url, options);
  await page.screenshot({ path: `${out}/${name}-empty.png` });
  await page.click("#try_sample");
  await next_picture(page, 0);
  await page.waitForTimeout(300);
  console.log(name, JSON.stringify(await listed(page)), page.errors);
  await page.screenshot({ path: `${out}/${name}.png` });
  await page.screenshot({ path: `${out}/${name}-full.png`, fullPage: true });
  if (name.includes("phone")) { await page.click("#language"); await page.screenshot({ path: `${out}/${name}-zh.png`, fullPage: true }); await page.click("#language"); }
  const before = await frames(page);
  await page.click("#camera"); await next_picture(page, before, 3);
  await page.screenshot({ path: `${out}/${name}-camera.png` });
  console.log("camera", JSON.stringify(await listed(page)), page.errors, await page.textContent('#alert'));
  await page.context().close();
}
await browser.close(); await server.close();
