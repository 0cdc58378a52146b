import { describe, expect, test } from "vitest";
import { TestPlatform } from "./test-platform.fixture.ts";

describe("bad usage is one line with the right form, and exit code 2", () => {
  test.each([
    [["compare", "--shred", "0"], /unknown option '--shred'.*--shared/],
    [["compare", "--modes", "single,double"], /--modes.*'single,double'.*single, multi, multi-page/],
    [["compare", "--shared", "0,101"], /--shared.*from 0 to 100/],
    [["compare", "--writers", ""], /--writers.*whole number from 1 to 16/],
    [["compare", "--writers", "1.5"], /--writers.*whole number/],
    [["compare", "--seconds", "soon"], /--seconds.*a number from/],
    [["compare", "--clients", "1", "--writers", "2"], /--clients 1 is fewer than 2 writers.*--clients 2/],
    [["up", "--mode", "double"], /--mode.*single, multi/],
    [["up", "--port", "99999"], /--port.*from 0 to 65000/],
    [["up", "--inject-conflicts", "2"], /--inject-conflicts.*from 0 to 1/],
    [["up", "here"], /too many arguments/],
    [["compair"], /unknown command 'compair'.*compare/],
    [["mode", "both"], /'both' is not a mode. .*single, multi. Right form: sixfold mode \[options\] <mode>/],
    [["status", "--data"], /--data.*argument missing/],
  ])("%j", async (words, complaint) => {
    const platform = new TestPlatform();
    expect(await platform.run(...words)).toBe(2);
    expect(platform.stderr).toMatch(complaint);
    expect(platform.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(platform.stdout).toBe("");
    expect(platform.started).toEqual([]);
  });

  test("no words at all get the help", async () => {
    const platform = new TestPlatform();
    expect(await platform.run()).toBe(2);
    expect(platform.stderr).toContain("compare");
  });
});

describe("help and version", () => {
  test.each(["up", "compare", "status"])("%s --help has examples and --json", async (command) => {
    const platform = new TestPlatform();
    expect(await platform.run(command, "--help")).toBe(0);
    expect(platform.stdout).toContain("Examples:\n");
    expect(platform.stdout).toContain("--json");
    expect(platform.stderr).toBe("");
  });

  test("--version", async () => {
    const platform = new TestPlatform();
    expect(await platform.run("--version")).toBe(0);
    expect(platform.stdout).toBe("1.2.3\n");
  });
});
