import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ProtocolWatch } from "./monitor/protocol-watch.ts";
import { Processes } from "./processes.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), "sixfold-processes-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** Says what `name` has to say, then waits for its end: SIGTERM, and it ends of itself. */
const TALKER = `
  const [name] = process.argv.slice(2);
  const seconds = process.hrtime();
  const at = seconds[0] * 1e3 + seconds[1] / 1e6;
  const entry = { stream: 1, lsn: 1 };
  const slice = { pg: 0, owned: true, supersedes: 0, ownBases: [], transaction: "1-a", checks: [],
    deltas: [{ page: 1, base: { stream: 0, lsn: 0 } }] };
  const builtOn = { settledThrough: 0, positions: [] };
  const steps = name === "writer-1"
    ? [{ kind: "opened", stream: 1, exclusive: false }, { kind: "sent", ...entry, slices: [slice], builtOn },
       { kind: "decided", ...entry, decision: "commit", by: "votes" }]
    : [{ kind: "stored", pg: 0, stream: 1, scl: 0 }];
  process.send({ steps, at: steps.map(() => at), through: at, isCutShort: false });
  process.on("SIGTERM", () => process.exit(0));
  process.stdin.resume();
  process.send({ steps: [], at: [], through: at, isCutShort: false }, () => console.error("said"));
`;

/** A writer that commits on the votes of four servers which say that they took it, but not what they voted. */
async function commitWithoutVotes(killed: readonly string[]): Promise<readonly string[]> {
  const main = path.join(dataDir, "talker.cjs");
  writeFileSync(main, TALKER);
  const watch = new ProtocolWatch("rough", () => undefined);
  const exits: string[] = [];
  const processes = new Processes({
    ...{ main, dataDir, restart: false, environment: process.env, watch },
    on: (event) => void (event.event === "exit" && exits.push(event.name)),
  });
  const names = ["writer-1", "segment-a1", "segment-a2", "segment-b1", "segment-b2"];
  for (const name of names) processes.launch({ name, args: () => [name] });
  const hasSpoken = (name: string): boolean =>
    readFileSync(path.join(dataDir, "logs", `${name}.log`), "utf8").includes("said");
  while (!names.every(hasSpoken)) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const name of killed) processes.kill(name, "SIGKILL");
  await processes.stop(names);
  watch.finish();
  // The supervisor did not even notice before it stopped them.
  expect(exits).toEqual([]);
  return watch.violations();
}

describe("processes that are stopped", () => {
  test("have said everything: what nobody voted for is a violation", async () => {
    expect(await commitWithoutVotes([])).toEqual([expect.stringMatching(/^votes-decide/)]);
  });

  test("but for those killed at the same moment, which may have taken their votes with them", async () => {
    const servers = ["segment-a1", "segment-a2", "segment-b1", "segment-b2"];
    expect(await commitWithoutVotes(servers)).toEqual([]);
  });
});
