/**
 * What the documents claim and a machine can check: links lead somewhere, commands exist, and the table of
 * layers is the one that is enforced.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { mayUse } from "../scripts/layers.mjs";

const root = resolve(import.meta.dirname, "..");

/** Every Markdown file of the repository, by its path from the root. */
function documents(directory = root): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      return /^(node_modules|dist|coverage|sixfold-report|\..*)$/.test(entry.name) ? [] : documents(path);
    }
    return entry.name.endsWith(".md") ? [relative(root, path)] : [];
  });
}

const read = (path: string) => readFileSync(join(root, path), "utf8");

/** The anchor GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\- _]/gu, "")
    .replaceAll(" ", "-");
}

/** Links of a document that lead nowhere. Code blocks hold none. */
function deadLinks(path: string): string[] {
  const text = read(path).replace(/^```.*?^```/gms, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? "")
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : join(dirname(path), file);
      if (!existsSync(join(root, target))) return true;
      if (anchor === undefined || !target.endsWith(".md")) return false;
      const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map((match) => anchorOf(match[1] ?? ""));
      return !headings.includes(anchor);
    });
}

describe("documents", () => {
  test.each(documents())("%s: every link leads somewhere", (path) => {
    expect(deadLinks(path)).toEqual([]);
  });

  test("every npm script that a document names exists", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const named = documents().flatMap((path) =>
      [...read(path).matchAll(/\bnpm run ([a-z]+)/g)].map((m) => m[1]),
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => scripts[name ?? ""] === undefined)).toEqual([]);
  });

  test("docs/DESIGN.md shows the layers that are enforced", () => {
    const lines = read("docs/DESIGN.md").split("\n");
    const head = lines.findIndex((line) => /^ *layer +package .*may use$/.test(line));
    const [nameAt, usesAt] = ["package", "may use"].map((word) => lines[head]?.indexOf(word));
    const shown: Record<string, string[]> = {};
    for (const line of lines.slice(head + 1, lines.indexOf("```", head))) {
      const name = /^[a-z-]+/.exec(line.slice(nameAt))?.[0];
      if (!/^ *\d/.test(line) || name === undefined) continue;
      const uses = line.slice(usesAt).trim();
      const above = Object.keys(mayUse).slice(0, Object.keys(mayUse).indexOf(name));
      shown[name] = uses === "all above" ? above : uses === "nothing" ? [] : uses.split(" ");
    }
    const packages = Object.entries(mayUse).filter(([name]) => !["server", "cli", "console"].includes(name));
    expect(shown).toEqual(Object.fromEntries(packages.map(([name, uses]) => [name, [...uses]])));
  });
});
