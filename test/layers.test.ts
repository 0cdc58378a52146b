/**
 * The layers check itself, on workspaces planted in memory: each rule must let the right thing pass and
 * catch its violation. (The real tree is checked by the step before the tests, `scripts/layers.mjs`.)
 */
import { describe, expect, test } from "vitest";
import { fileCycle, mayUse, unusedDependencies, violations } from "../scripts/layers.mjs";
import { importsOf, type Workspace } from "../scripts/workspace.mjs";

/** A package with one file, whose manifest allows what `dependencies` names; the rest may be overridden. */
function planted(
  key: string,
  imports: readonly string[],
  overrides: Partial<Workspace> & { path?: string } = {},
): Workspace {
  const { path = "thing.ts", ...rest } = overrides;
  const dependencies = rest.dependencies ?? [];
  const named = [...dependencies, ...(rest.devDependencies ?? [])];
  return {
    folder: `packages/${key}`,
    key,
    name: `@sixfold/${key}`,
    entries: ["."],
    devDependencies: [],
    references: named.filter((name) => name.startsWith("@sixfold/")).map((name) => name.slice(9)),
    files: [{ path, imports }],
    ...rest,
    dependencies,
  };
}

const model = planted("model", []);
const wire = planted("wire", ["@sixfold/model"], { dependencies: ["@sixfold/model"] });
const volume = planted("volume", [], { dependencies: ["@sixfold/model", "@sixfold/wire"] });
const ports = planted("ports", [], { entries: [".", "./contract"] });

function found(...workspaces: Workspace[]): string[] {
  return violations(workspaces, ["vitest", "fast-check"]);
}

describe("layers", () => {
  test("an arrow that points down is allowed", () => {
    expect(found(model, wire)).toEqual([]);
  });

  test("an arrow up, or sideways within a layer, is caught in the import and in the manifest", () => {
    const upward = planted("model", ["@sixfold/wire"], { dependencies: ["@sixfold/wire"] });
    expect(found(upward, wire)).toEqual([
      "packages/model/package.json: may not depend on wire",
      'packages/model/src/thing.ts: "@sixfold/wire" is not allowed: model may not use wire',
    ]);
    const sideways = planted("segment", ["@sixfold/volume"], { dependencies: ["@sixfold/volume"] });
    expect(found(model, wire, volume, sideways)).toHaveLength(2);
  });

  test("a test may use what its devDependencies name, and the tools of the repository", () => {
    const tested = {
      path: "thing.test.ts",
      dependencies: ["@sixfold/model"],
      devDependencies: ["@sixfold/volume"],
    };
    const inTest = planted("engine", ["vitest", "@sixfold/volume"], tested);
    expect(found(model, wire, volume, inTest)).toEqual([]);
    const inSource = planted("engine", ["vitest", "@sixfold/volume"], { ...tested, path: "thing.ts" });
    expect(found(model, wire, volume, inSource)).toEqual([
      'packages/engine/src/thing.ts: "vitest" is not among the dependencies in package.json',
      'packages/engine/src/thing.ts: "@sixfold/volume" is not among the dependencies in package.json',
    ]);
  });

  test("there is no second door: deep imports, foreign files, one's own name", () => {
    const dependencies = ["@sixfold/model"];
    for (const specifier of [
      "@sixfold/model/src/ids.ts",
      "@sixfold/model/dist/index.js",
      "../../model/src/ids.ts",
    ]) {
      expect(found(model, planted("wire", [specifier], { dependencies }))).toHaveLength(1);
    }
    expect(found(planted("model", ["@sixfold/model"]))).toHaveLength(1);
    expect(found(planted("model", ["./missing.ts"]))).toHaveLength(1);
  });

  test("the ports' suites are open to the tests of their two implementations only", () => {
    const dependencies = ["@sixfold/ports"];
    const use = (key: string, path: string) =>
      found(ports, planted(key, ["@sixfold/ports/contract"], { dependencies, path }));
    expect(use("node-ports", "disk.test.ts")).toEqual([]);
    expect(use("sim-ports", "disk.test.ts")).toEqual([]);
    expect(use("node-ports", "disk.ts")).toHaveLength(1);
    expect(use("client", "client.test.ts")).toHaveLength(1);
  });

  test("a library must be declared, and a builtin written as one", () => {
    expect(found(planted("model", ["lodash/fp"]))).toHaveLength(1);
    expect(found(planted("model", ["lodash/fp"], { dependencies: ["lodash"] }))).toEqual([]);
    expect(found(planted("model", ["fs"]))).toEqual([
      'packages/model/src/thing.ts: "fs" is to be written node:fs',
    ]);
  });

  test("a dependency is named if something but a test imports it", () => {
    const dependencies = ["@sixfold/model", "tsx"];
    expect(unusedDependencies(planted("wire", ["@sixfold/model", "tsx/esm/api"], { dependencies }))).toEqual(
      [],
    );
    expect(unusedDependencies(planted("wire", ["@sixfold/model"], { dependencies }))).toEqual([
      "packages/wire/package.json: nothing imports tsx",
    ]);
    const inTest = { dependencies, path: "frame.test.ts" };
    expect(unusedDependencies(planted("wire", ["@sixfold/model", "tsx"], inTest))).toHaveLength(2);
  });

  test("a package that is not in the table is caught, and so are references that say something else", () => {
    expect(found(planted("novel", []))).toEqual(["packages/novel: not in the table of layers"]);
    expect(found(model, { ...wire, references: [] })).toHaveLength(1);
    expect(
      found(model, { ...model, key: "ports", name: "@sixfold/ports", references: ["model"] }),
    ).toHaveLength(1);
  });

  test("a cycle among files is found, type imports included, and a diamond is none", () => {
    const files = (edges: Record<string, string[]>): Workspace => ({
      ...model,
      files: Object.entries(edges).map(([path, imports]) => ({ path, imports })),
    });
    expect(
      fileCycle(files({ "a.ts": ["./b.ts", "./c.ts"], "b.ts": ["./d.ts"], "c.ts": ["./d.ts"], "d.ts": [] })),
    ).toBe(undefined);
    expect(fileCycle(files({ "a.ts": ["./x/b.ts"], "x/b.ts": ["./c.ts"], "x/c.ts": ["../a.ts"] }))).toEqual([
      "a.ts",
      "x/b.ts",
      "x/c.ts",
      "a.ts",
    ]);
  });

  test("the table itself has no cycle", () => {
    const depth = (key: string, above: readonly string[]): number => {
      expect(above).not.toContain(key);
      return 1 + Math.max(0, ...(mayUse[key] ?? []).map((below) => depth(below, [...above, key])));
    };
    for (const key of Object.keys(mayUse)) expect(depth(key, [])).toBeGreaterThan(0);
  });
});

describe("imports of a file", () => {
  test("every form counts; comments and strings do not", () => {
    const source = [
      `import value from "a"; import type { T } from "b"; import "c";`,
      `export * from "d"; export { x } from "e"; export type { U } from "f";`,
      `const later = await import("g"); type V = import("h").V;`,
      `// import "no"; const text = 'import "no"'; /* import("no") */`,
      `const template = \`import "no"\`;`,
    ].join("\n");
    expect(importsOf("thing.ts", source)).toEqual(["a", "b", "c", "d", "e", "f", "g", "h"]);
  });

  test("a computed import cannot be checked: it is allowed only where users name the module", () => {
    const imports = importsOf("thing.ts", "export const load = (name: string) => import(name);");
    expect(imports).toEqual(["(computed)"]);
    expect(found(planted("model", imports))).toHaveLength(1);
    expect(found(planted("cluster", imports))).toHaveLength(1);
    expect(found(planted("cluster", imports, { path: "procedure-modules.ts" }))).toEqual([]);
  });
});
