/**
 * The bans of .oxlintrc.json, each shown to fire: a ban that never fires (a misspelt glob, a renamed rule)
 * looks exactly like clean code. Violations are planted in a copy of the folder tree, with the real
 * configuration, and one run of the linter judges them all.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const cores = ["model", "segment", "volume", "engine", "database"];
const ported = ["ports", "client", "cluster", "workload", "sim-ports", "checker"];

/** Snippets and the rule each must break in a core. */
const coreBans: Record<string, string> = {
  "export const a = Date.now();": "no-restricted-globals",
  "export const b = new Date();": "no-restricted-globals",
  "export const c = Math.random();": "no-restricted-properties",
  "export const d = globalThis.Date;": "no-restricted-properties",
  "export const e = setTimeout;": "no-restricted-globals",
  "export const f = setInterval;": "no-restricted-globals",
  "export const g = setImmediate;": "no-restricted-globals",
  "export const h = queueMicrotask;": "no-restricted-globals",
  "export const i = process.env;": "no-restricted-globals",
  "export const j = () => console.log(1);": "no-restricted-globals",
  "export const k = Promise.resolve(1);": "no-restricted-globals",
  "export const l = async () => 1;": "no-async-await",
  "export const m = performance.now();": "no-restricted-globals",
  'export { readFileSync } from "node:fs";': "no-restricted-imports",
  'import { join } from "node:path"; export const n = join;': "no-restricted-imports",
};

/** What is banned where code runs on ports. */
const portedBans: Record<string, string> = {
  "export const a = Date.now();": "no-restricted-globals",
  "export const c = Math.random();": "no-restricted-properties",
  'import { join } from "node:path"; export const n = join;': "no-restricted-imports",
};

/** wire encodes dates, and refuses promises: it may name both, but not ask for the time or make a promise. */
const wireBans: Record<string, string> = Object.fromEntries(
  Object.entries(coreBans)
    .filter(([source]) => !source.includes("new Date"))
    .map(([source, rule]) => [
      source,
      /Date\.now|Promise\./.test(source) ? "no-restricted-properties" : rule,
    ]),
);

const everywhere: Record<string, string> = {
  "export const a: any = 1;": "no-explicit-any",
  "export default 1;": "no-default-export",
  "export const b = (c: number) => c == 1;": "eqeqeq",
};

interface Planted {
  readonly path: string;
  readonly source: string;
  /** The rule that must fire there, alone; undefined: none may. */
  readonly rule: string | undefined;
}

function plant(folder: string, bans: Record<string, string>, tag: string): Planted[] {
  return Object.entries(bans).map(([source, rule], index) => ({
    path: `${folder}/src/${tag}-${index}.ts`,
    source,
    rule,
  }));
}

const zlib = 'import { crc32 } from "node:zlib"; export const sum = crc32;';
const spawn = 'import { spawn } from "node:child_process"; export const run = spawn;';

const planted: Planted[] = [
  ...cores.flatMap((name) => plant(`packages/${name}`, coreBans, "core")),
  ...plant("packages/wire", wireBans, "core"),
  ...ported.flatMap((name) => plant(`packages/${name}`, portedBans, "ported")),
  ...["packages/node-ports", "apps/cli"].flatMap((folder) => plant(folder, everywhere, "any")),
  {
    path: "packages/sim-ports/src/timer.ts",
    source: "export const a = setTimeout;",
    rule: "no-restricted-globals",
  },
  // And what must stay allowed, or the bans would be loud rather than right.
  { path: "packages/wire/src/checksum.ts", source: zlib, rule: undefined },
  { path: "packages/segment/src/checksum.ts", source: zlib, rule: "no-restricted-imports" },
  {
    path: "packages/wire/src/value-writer.ts",
    source: "export const known = (value: unknown) => value instanceof Date || value instanceof Promise;",
    rule: undefined,
  },
  { path: "packages/cluster/src/processes.ts", source: spawn, rule: undefined },
  { path: "packages/cluster/src/in-process.ts", source: spawn, rule: "no-restricted-imports" },
  { path: "packages/cluster/src/wiring.ts", source: spawn, rule: "no-restricted-imports" },
  {
    path: "packages/node-ports/src/clock.ts",
    source: "export const now = () => Date.now();",
    rule: undefined,
  },
  {
    path: "packages/segment/src/log.test.ts",
    source: 'import { tmpdir } from "node:os"; export const where = async () => tmpdir();',
    rule: undefined,
  },
];

/** Rules that fired, by path. */
let fired = new Map<string, string[]>();
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sixfold-bans-"));
  copyFileSync(join(root, ".oxlintrc.json"), join(directory, ".oxlintrc.json"));
  for (const { path, source } of planted) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), `${source}\n`);
  }
  const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
  const { stdout } = spawnSync(process.execPath, [oxlint, "--format=json"], {
    cwd: directory,
    encoding: "utf8",
  });
  const report = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] };
  fired = new Map(planted.map(({ path }) => [path, []]));
  for (const { code, filename } of report.diagnostics) {
    fired.get(filename)?.push(code.replace(/^.*\((.*)\)$/, "$1"));
  }
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("bans", () => {
  test.each(planted.filter(({ rule }) => rule !== undefined))("$path: $source", ({ path, rule }) => {
    expect(fired.get(path)).toContain(rule);
  });

  test.each(planted.filter(({ rule }) => rule === undefined))("$path may: $source", ({ path }) => {
    expect(fired.get(path)).toEqual([]);
  });
});
