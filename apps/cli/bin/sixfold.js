#!/usr/bin/env node
// The `sixfold` command: the compiled main module, or one line that says how to get it.
import { existsSync } from "node:fs";

const main = new URL("../dist/main.js", import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write("sixfold is not built yet: run `npm ci && npm run build` (or `npm start`)\n");
  process.exitCode = 1;
}
