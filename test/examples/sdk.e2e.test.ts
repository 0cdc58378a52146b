/** What docs/sdk.md shows, run; and what it lists, held against the code. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ERRORS } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { withFolder } from "../e2e/real-cluster.ts";
import * as examples from "./sdk.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const plain = (text: string): string => text.replace(/^\s+/gm, "").trim();

describe("docs/sdk.md", () => {
  const document = read("docs/sdk.md");

  test("shows examples that are run", () => {
    const run = plain(read("test/examples/sdk.ts"));
    const shown = [...document.matchAll(/```ts\n(.*?)```/gs)].map((match) => plain(match[1]!));
    expect(shown.length).toBe(Object.keys(examples).length);
    for (const block of shown) expect(run).toContain(block);
  });

  test("lists every error as it is", () => {
    const rows = [
      ...document.matchAll(/^\| `([a-z-]+)` +\| ([a-z-]+) +\| ([a-z-]+) +\| (\w{5}) +\| (.*?) +\|$/gm),
    ];
    const listed = rows.map(([, code, retryable, outcome, sqlState, meaning]) => [
      ...[code, { retryable, outcome, sqlState, meaning: meaning!.replaceAll("\\", "") }],
    ]);
    expect(Object.fromEntries(listed as [string, unknown][])).toEqual(ERRORS);
  });

  test("names every option of connect", () => {
    const { options } = /export interface ConnectOptions \{(?<options>.*?)\n\}/s.exec(
      read("packages/client/src/options.ts"),
    )!.groups!;
    for (const [, name] of options!.matchAll(/^ {2}readonly (\w+)/gm))
      expect(document).toContain(`\n| \`${name!}\``);
  });

  test("its examples print what they should", () =>
    withFolder(async (start) => {
      const { cluster } = await start({ replicas: 1, inProcess: true, monitor: false });
      const printed: string[] = [];
      const place = { urls: cluster.endpoints, print: (line: string) => void printed.push(line) };
      for (const example of Object.values(examples)) await example(place);
      expect(printed.sort()).toEqual(
        [
          ...["total 1", "fresh 1", "written here", "committed"],
          ...["writer-1 writer writes", "writer-2 writer writes", "replica-1 replica reads"],
          ...["true false", "true false", "unknown-table false"],
        ].sort(),
      );
    }));
});
