// Builds the page into the Python package, or with --tests the unit tests into build/tests/; --out FOLDER sets another folder.
//
// Builds of the page are identical byte for byte. Runtimes are compressed with xz by Python's `lzma`, whose output may differ
// between versions, so they are written again only when their content has changed.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const RUNTIMES = { wasm: "ort-wasm-simd-threaded.wasm", webgpu: "ort-wasm-simd-threaded.jspi.wasm" };
const alias = { "stream/web": join(here, "src/worker/streams.ts") };
const text = (path) => readFileSync(join(here, path), "utf8");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function bundle(entry, define = {}) {
  const { outputFiles } = await build({
    entryPoints: [join(here, entry)], bundle: true, minify: true, write: false, format: "iife", target: "es2022", charset: "ascii",
    absWorkingDir: here, alias, define, legalComments: "none", logLevel: "warning",
  });
  return outputFiles[0].text;
}

async function page(out) {
  const workers = {};
  for (const name of Object.keys(RUNTIMES))
    workers[name] = await bundle(`src/worker/${name}.ts`, { "import.meta.url": "self.location.href" });
  const script = (await bundle("src/main.ts", { WORKERS: "WORKERS" })).replaceAll("</script", "<\\/script");
  const inPage = JSON.stringify(workers).replaceAll("<", "\\u003c");
  const html = text("page/index.html")
    .replace("/* style */", () => `\n${text("page/style.css")}`)
    .replace("/* script */", () => `const WORKERS=${inPage};\n${script}`);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "page.html"), html);
  writeFileSync(join(out, "LICENSES.txt"), text("page/LICENSES.txt"));
  const runtimes = {};
  for (const [name, file] of Object.entries(RUNTIMES)) runtimes[name] = sha256(readFileSync(wasm(file)));
  const manifest = join(out, "manifest.json");
  compress(out, manifest, runtimes);
  writeFileSync(manifest, `${JSON.stringify({ sources: sources(), runtimes }, null, 1)}\n`);
}

const wasm = (file) => join(here, "node_modules/onnxruntime-web/dist", file);

/** Hashes of all sources of the page, which a test compares with the files. */
function sources() {
  const files = ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"];
  for (const folder of ["page", "src"])
    files.push(...readdirSync(join(here, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(here.length + 1)));
  return Object.fromEntries(files.sort().map((file) => [file.replaceAll("\\", "/"), sha256(readFileSync(join(here, file)))]));
}

function compress(out, manifest, runtimes) {
  let before = {};
  try {
    before = JSON.parse(readFileSync(manifest, "utf8")).runtimes;
  } catch { /* there is no manifest yet */ }
  for (const [name, file] of Object.entries(RUNTIMES)) {
    const packed = join(out, `runtime-${name}.xz`);
    if (before[name] === runtimes[name] && readdirSync(out).includes(`runtime-${name}.xz`)) continue;
    const code = "import lzma, sys; from pathlib import Path; "
      + "f = [{'id': lzma.FILTER_LZMA2, 'preset': 9 | lzma.PRESET_EXTREME, 'dict_size': 1 << 24}]; "
      + "Path(sys.argv[2]).write_bytes(lzma.compress(Path(sys.argv[1]).read_bytes(), check=lzma.CHECK_CRC32, filters=f))";
    const { status, error } = spawnSync("python3", ["-c", code, wasm(file), packed], { stdio: "inherit" });
    if (status !== 0) throw error ?? new Error("python3 is needed to compress the runtimes");
  }
}

async function tests(out) {
  rmSync(out, { recursive: true, force: true });
  await build({
    entryPoints: readdirSync(join(here, "tests")).map((file) => join(here, "tests", file)), bundle: true, platform: "node", format: "esm",
    outdir: out, outExtension: { ".js": ".mjs" }, absWorkingDir: here, alias, logLevel: "warning", external: ["node:*"],
  });
}

const at = process.argv.indexOf("--out");
const out = at > 0 ? process.argv[at + 1] : undefined;
if (process.argv.includes("--tests")) await tests(out ?? join(here, "build/tests"));
else await page(out ?? join(here, "../src/taskscape/export/web/page"));
