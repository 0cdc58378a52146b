/**
 * Who writes, with real processes under load: a writer that is killed, one that hands over, a volume that is moved between one master and
 * several. Nothing acknowledged is lost, and clients only ever hear of what can be tried again.
 */
import { ERRORS } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { LiveLoad, type LoadOptions } from "./live-load.ts";
import { statusOf, until, withFolder, type RealCluster } from "./real-cluster.ts";

const TIMEOUT_MS = 240_000;

const load = (writers: number): LoadOptions => ({
  workload: "transfer",
  as: "interactive",
  writers,
  sharedPct: 20,
  clients: 8,
  records: 400,
});

type Cluster = RealCluster["cluster"];

const nodesOf = (cluster: Cluster): string[] =>
  cluster.nodes.filter(({ role }) => role !== "segment").map(({ name }) => name);

const stateOf = async (cluster: Cluster, name: string): Promise<Record<string, unknown>> =>
  (await statusOf(cluster, name).catch(() => ({}))) as Record<string, unknown>;

async function writersOf(cluster: Cluster): Promise<string[]> {
  const states = await Promise.all(
    nodesOf(cluster).map(async (name) => [name, (await stateOf(cluster, name))["state"]]),
  );
  return states.filter(([, state]) => state === "writing").map(([name]) => name as string);
}

async function post(cluster: Cluster, name: string, path: string, body: object): Promise<unknown> {
  const { url } = cluster.nodes.find((node) => node.name === name)!;
  const answer = await fetch(`${url.replace(/^ws/, "http")}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return answer.json();
}

/** What the writer answers once it has a link to `to`: a node is up before all the others know. */
async function handOver(cluster: Cluster, writer: string, to: string): Promise<unknown> {
  let answer: unknown;
  await until(`${writer} has a link to ${to}`, async () => {
    answer = await post(cluster, writer, "/failover", { to });
    return !JSON.stringify(answer).includes("is not up");
  });
  return answer;
}

/** The volume is in this mode, and all nodes serve. */
async function isIn(cluster: Cluster, mode: string, writers: number): Promise<boolean> {
  for (const name of nodesOf(cluster)) {
    const { mode: now, ready } = await stateOf(cluster, name);
    if (now !== mode || ready !== true) return false;
  }
  return (await writersOf(cluster)).length === writers;
}

/** What clients were told can be tried again: the SDK did, or they did. */
function retryable(codes: Iterable<string>): boolean {
  return [...codes].every((code) => ERRORS[code as keyof typeof ERRORS].retryable !== "no");
}

describe("one writer, two that stand by, and a replica", () => {
  test(
    "I1, I2: whoever writes is killed, again and again: another writes",
    () =>
      withFolder(async (start) => {
        const { cluster } = await start({ mode: "single", writers: 3, replicas: 1 });
        const transfers = await LiveLoad.start(cluster.endpoints, load(1));
        await transfers.progress(50);
        for (let i = 0; i < 3; i++) {
          const [writer = ""] = await writersOf(cluster);
          cluster.kill(writer);
          await until("another writes", async () => {
            const [now = writer] = await writersOf(cluster);
            return now !== writer;
          });
          await transfers.progress(50);
          await until("it stands by", async () => (await stateOf(cluster, writer))["state"] === "standby");
        }
        expect(await transfers.finish()).toBe("ok");
        expect(retryable(transfers.abortedBy.keys())).toBe(true);
      }),
    TIMEOUT_MS,
  );

  test(
    "a writer hands over to each of the others, and back",
    () =>
      withFolder(async (start) => {
        const { cluster, events } = await start({ mode: "single", writers: 3, replicas: 1 });
        const transfers = await LiveLoad.start(cluster.endpoints, load(1));
        await transfers.progress(50);
        const [first = ""] = await writersOf(cluster);
        const others = nodesOf(cluster).filter((name) => name !== first);
        let writer = first;
        for (const to of [...others, first]) {
          expect(await post(cluster, to, "/failover", { to })).toMatchObject({ writer });
          expect(await handOver(cluster, writer, to)).toMatchObject({ from: writer, to });
          await transfers.progress(30);
          writer = to;
        }
        expect(await writersOf(cluster)).toEqual([first]);
        expect(await transfers.finish()).toBe("ok");
        expect(retryable(transfers.abortedBy.keys())).toBe(true);
        expect(transfers.unknown).toBe(0);
        expect(events.filter(({ event }) => event === "exit")).toEqual([]);
      }),
    TIMEOUT_MS,
  );
});

describe("a volume that changes its mode", () => {
  test(
    "under load, there and back, with the same data; also while a writer is dead, and at the next start",
    () =>
      withFolder(async (start) => {
        const { cluster } = await start({ mode: "multi", writers: 2, restart: false });
        const transfers = await LiveLoad.start(cluster.endpoints, load(2));
        await transfers.progress(50);
        for (const [mode, writers] of [
          ["single", 1],
          ["multi", 2],
        ] as const) {
          expect(await post(cluster, "writer-2", "/mode", { mode })).toEqual({ mode });
          await until(`mode ${mode}`, () => isIn(cluster, mode, writers));
          await transfers.progress(50);
        }
        // Asked twice it changes nothing.
        const [{ stream }] = [await stateOf(cluster, "writer-1")];
        await post(cluster, "writer-1", "/mode", { mode: "multi" });
        await transfers.progress(20);
        expect((await stateOf(cluster, "writer-1"))["stream"]).toBe(stream);
        cluster.kill("writer-2");
        await post(cluster, "writer-1", "/mode", { mode: "single" });
        await until("mode single", async () => (await stateOf(cluster, "writer-1"))["mode"] === "single");
        await transfers.progress(50);
        expect(await transfers.finish()).toBe("ok");
        expect(retryable(transfers.abortedBy.keys())).toBe(true);
        await cluster.stop();
        const { cluster: again } = await start({ mode: "multi", writers: 2 });
        expect(await isIn(again, "multi", 2)).toBe(true);
      }),
    TIMEOUT_MS,
  );
});
