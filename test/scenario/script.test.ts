import { describe, expect, test } from "vitest";
import { formatScript, parseScript, words } from "./script.ts";
import { Trace } from "./trace.ts";

describe("scripts", () => {
  const text = "# why\ncluster multi\nput a b\n---\none\ntwo\n\n# only words\n\nrun\n---\nok\n";

  test("are parsed into blocks and written back as they were", () => {
    const blocks = parseScript(text);
    expect(blocks).toEqual([
      { comments: ["# why"], commands: ["cluster multi", "put a b"], expected: ["one", "two"] },
      { comments: ["# only words"], commands: [], expected: [] },
      { comments: [], commands: ["run"], expected: ["ok"] },
    ]);
    expect(formatScript(blocks, [["one", "two"], [], []])).toBe(text);
  });

  test("a changed trace changes the text", () => {
    expect(formatScript(parseScript(text), [["one", "three"], [], []])).not.toBe(text);
  });

  test("words may be quoted", () => {
    expect(words('put writer-1 t "a key" 1')).toEqual(["put", "writer-1", "t", "a key", "1"]);
  });
});

describe("traces", () => {
  test("equal messages of a round share a line, by receiver and then by sender", () => {
    const trace = new Trace();
    for (const to of ["a1", "a2"]) trace.message({ from: "w", to, isHeld: to === "a2", text: "append" });
    for (const from of ["a1", "a2"]) trace.message({ from, to: "w", isHeld: false, text: "ack" });
    trace.endRound();
    trace.message({ from: "a1", to: "w", isHeld: false, text: "ack" });
    expect(trace.take()).toEqual(["w -> a1 (a2) append", "a1 a2 -> w ack", "a1 -> w ack"]);
  });

  test("what clients hear is said even when nothing else is", () => {
    const trace = new Trace();
    trace.quietly(() => {
      trace.message({ from: "w", to: "a1", isHeld: false, text: "append" });
      trace.say("log line");
      trace.reply("= committed");
    });
    expect(trace.take()).toEqual(["= committed"]);
  });
});
