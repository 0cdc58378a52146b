/** What is done to the data of a stopped cluster, and what a check says of it. */
import { cpSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkData, type DataReport } from "@sixfold/cluster";
import { NodeHost, StoredHost } from "@sixfold/node-ports";
import { logFileName, readLog } from "@sixfold/ports";
import { logBlockCodec } from "@sixfold/wire";
import { change, TestCluster } from "./stopped-cluster.ts";

const SERVERS = ["segment-a1", "segment-a2", "segment-b1", "segment-b2", "segment-c1", "segment-c2"];
const ROWS = 400;
/** Everything stays in the log. */
const UNMERGED = { mergeAboveBytes: Number.POSITIVE_INFINITY, logFilesKept: Number.POSITIVE_INFINITY };

const check = (cluster: TestCluster): Promise<DataReport> => checkData({ dataDir: cluster.dataDir });

const said = (report: DataReport): string[] =>
  report.findings.map(({ severity, kind, server }) => `${severity} ${kind}${server ? ` ${server}` : ""}`);

/** A page that all six keep, the `n`-th of them, and the last part of what is stored of it, which no other page and no older version has. */
async function storedPage(cluster: TestCluster, server: string, n: number) {
  const store = await new NodeHost(server, path.join(cluster.dataDir, server)).openPageStore("pages");
  const page = store.pages(3, n + 1)[n]!;
  const part = store.tail(page, Number.POSITIVE_INFINITY)!;
  await store.close();
  return { page, part };
}

async function removePage(cluster: TestCluster, server: string, page: number): Promise<void> {
  const store = await new NodeHost(server, path.join(cluster.dataDir, server)).openPageStore("pages");
  await new Promise<void>((done) => store.remove([page], () => done()));
  await store.close();
}

/** Flips a bit in the middle of the last part of a stored page, wherever in the file it stands. */
async function damagePage(cluster: TestCluster, server: string, n: number) {
  const { page, part } = await storedPage(cluster, server, n);
  let flipped = 0;
  const undo = change(cluster.pageStore(server, "data"), (file) => {
    for (let at = file.indexOf(part); at >= 0; at = file.indexOf(part, at + 1), flipped += 1)
      file[at + (part.length >> 1)]! ^= 4;
  });
  expect(flipped).toBeGreaterThan(0);
  return { page, undo };
}

/** Puts a file or folder of the cluster out of the way. */
function hide(cluster: TestCluster, file: string): () => void {
  const place = `${cluster.dataDir}-${path.basename(file)}`;
  renameSync(file, place);
  return () => renameSync(place, file);
}

describe("one cluster, stopped in good order", () => {
  let cluster: TestCluster;
  const folder = (server: string): string => path.join(cluster.dataDir, server);

  beforeAll(async () => {
    cluster = new TestCluster();
    await cluster.write(await cluster.start(), ROWS);
    await cluster.untilEach((status) => Number(status["storedPages"]) > 10);
    await cluster.stop();
  }, 60_000);
  afterAll(() => cluster.remove());

  test("is ok, all pages are accounted for, and nothing is touched", async () => {
    const before = cluster.files();
    const report = await check(cluster);
    expect([report.verdict, report.findings]).toEqual(["ok", []]);
    expect(report.servers.map(({ name, az, state }) => `${name} ${az} ${state}`)).toEqual(
      SERVERS.map((name) => `${name} ${name.at(-2)} whole`),
    );
    const volume = report.volume!;
    // One table is left; a seventh of its rows were deleted, and one large one was put.
    expect([volume.tables, volume.rows]).toEqual([1, ROWS - Math.ceil(ROWS / 7) + 1]);
    expect(volume.pgs).toBeGreaterThan(1);
    // Every extent's header and the volume's are allocated, and nothing leads to them.
    expect(volume.allocated - volume.reachable).toBe(1 + (volume.allocated + volume.free) / 64);
    expect(volume.pagesCompared).toBeGreaterThanOrEqual(volume.allocated);
    for (const { logBytes, pageStoreBytes, liveBytes, pagesStored } of report.servers) {
      expect(liveBytes).toBe(volume.allocated * volume.pageBytes);
      expect(logBytes).toBeGreaterThan(0);
      expect([pageStoreBytes > 0, pagesStored > 0]).toEqual([true, true]);
    }
    expect(cluster.files()).toEqual(before);
  });

  test("a cluster that runs is refused; one whose process has gone is not", async () => {
    const file = path.join(cluster.dataDir, "cluster.pid");
    writeFileSync(file, `${process.pid}\n`);
    await expect(check(cluster)).rejects.toThrow(`process ${process.pid}`);
    // No process has this number.
    writeFileSync(file, `${2 ** 30}\n`);
    expect((await check(cluster)).verdict).toBe("ok");
    rmSync(file);
    await expect(checkData({ dataDir: path.join(cluster.dataDir, "nowhere") })).rejects.toThrow(/no data/);
  });

  test("a check can be ended early", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(checkData({ dataDir: cluster.dataDir, signal })).rejects.toThrow("enough");
  });

  test("a flipped bit in a stored page is damage, but others have the page whole", async () => {
    const { page, undo } = await damagePage(cluster, "segment-b1", 4);
    const report = await check(cluster);
    undo();
    expect([report.verdict, said(report)]).toEqual(["warnings", ["warning page-damaged segment-b1"]]);
    expect(report.findings[0]).toMatchObject({ pages: [page], pg: 0 });
    expect(report.servers.map(({ state }) => state)).toEqual(
      SERVERS.map((name) => (name === "segment-b1" ? "damaged" : "whole")),
    );
    expect(report.servers[2]!.pagesDamaged).toBe(1);
  });

  test("damaged on all six, a page is lost", async () => {
    const damages = [];
    for (const server of SERVERS) damages.push(await damagePage(cluster, server, 1));
    const report = await check(cluster);
    for (const { undo } of damages) undo();
    expect(report.verdict).toBe("damaged");
    expect(said(report)).toEqual(
      expect.arrayContaining([...SERVERS.map((name) => `warning page-damaged ${name}`), "error page-lost"]),
    );
    expect(report.findings.find(({ kind }) => kind === "page-lost")!.pages).toEqual([damages[0]!.page]);
  });

  test("a page that a store has lost without a trace is missed", async () => {
    const undo = change(cluster.pageStore("segment-c1", "index"), () => undefined);
    const { page } = await storedPage(cluster, "segment-c1", 2);
    await removePage(cluster, "segment-c1", page);
    const report = await check(cluster);
    undo();
    expect([report.verdict, said(report)]).toEqual(["damaged", ["error pages-differ"]]);
    expect(report.findings[0]!.pages).toEqual([page]);
    expect(report.findings[0]!.text).toMatch(/segment-a1, .*: \d+:\d+.*; segment-c1: /);
  });

  test("a page that no store has and a tree leads to is missed", async () => {
    const undo = SERVERS.map((server) => change(cluster.pageStore(server, "index"), () => undefined));
    // The catalog's root.
    for (const server of SERVERS) await removePage(cluster, server, 1);
    const report = await check(cluster);
    for (const restore of undo) restore();
    expect(report.verdict).toBe("damaged");
    expect(said(report)).toContain("error tree-damaged");
  });

  test("a page store whose index is damaged loses the server and nothing else", async () => {
    const file = cluster.pageStore("segment-a2", "index");
    for (const edit of [
      (bytes: Buffer): unknown => (bytes[30]! ^= 1),
      (bytes: Buffer): unknown => bytes.fill(0),
    ]) {
      const undo = change(file, edit);
      const report = await check(cluster);
      undo();
      expect([report.verdict, said(report)]).toEqual(["warnings", ["warning page-store-damaged segment-a2"]]);
      expect(report.servers[1]).toMatchObject({ name: "segment-a2", state: "lost", pagesStored: 0 });
      expect(report.volume!.rows).toBeGreaterThan(0);
    }
  });

  test("a flipped bit in a log block loses the server, for it has forgotten what it said", async () => {
    const [first] = cluster.logFiles("segment-a1");
    const undo = change(first!, (bytes) => (bytes[40]! ^= 1));
    const report = await check(cluster);
    undo();
    expect([report.verdict, said(report)]).toEqual(["warnings", ["warning server-lost segment-a1"]]);
    expect(report.findings[0]!.text).toMatch(/log file \d+ is damaged at byte 0.*It has to be replaced/);
  });

  test("a torn tail is none of a check's business, and said", async () => {
    const ends = new Map<string, { readonly file: string; readonly offset: number }>();
    for (const server of SERVERS) ends.set(server, await logEnd(cluster, server));
    const undo = SERVERS.slice(1, 4).map((server) => {
      const { file, offset } = ends.get(server)!;
      return change(file, (bytes) => bytes.fill(0x5a, offset, offset + 700));
    });
    const report = await check(cluster);
    for (const restore of undo) restore();
    expect([report.verdict, said(report)]).toEqual([
      "ok",
      SERVERS.slice(1, 4).map((server) => `note log-torn ${server}`),
    ]);
  });

  test("two servers gone: nothing is lost. Three gone: the manifest cannot be read", async () => {
    const one = hide(cluster, folder("segment-b1"));
    const two = hide(cluster, folder("segment-b2"));
    const report = await check(cluster);
    expect([report.verdict, said(report)]).toEqual([
      "warnings",
      ["warning server-lost segment-b1", "warning server-lost segment-b2"],
    ]);
    expect(report.servers).toHaveLength(6);
    expect(report.volume!.rows).toBeGreaterThan(0);
    const three = hide(cluster, folder("segment-a1"));
    const worse = await check(cluster);
    for (const undo of [one, two, three]) undo();
    expect(worse.verdict).toBe("damaged");
    expect(said(worse)).toEqual([
      ...["segment-a1", "segment-b1", "segment-b2"].map((name) => `error server-lost ${name}`),
      "error manifest-unreadable",
    ]);
  });

  test("an emptied server has forgotten everything, and counts as gone", async () => {
    const [first, ...others] = cluster.logFiles("segment-c2");
    const undo = [change(first!, (bytes) => bytes.fill(0)), ...others.map((file) => hide(cluster, file))];
    const report = await check(cluster);
    for (const restore of undo) restore();
    expect([report.verdict, said(report)]).toEqual(["warnings", ["warning server-lost segment-c2"]]);
    expect(report.findings[0]!.text).toContain("its log is empty");
  });

  test("a folder that is no member's is left out", async () => {
    cpSync(folder("segment-a1"), folder("segment-z9"), { recursive: true });
    const report = await check(cluster);
    rmSync(folder("segment-z9"), { recursive: true });
    expect([report.verdict, said(report)]).toEqual(["ok", ["note not-a-member segment-z9"]]);
    expect(report.servers).toHaveLength(6);
  });
});

describe("what a cluster leaves when it did not end in good order", () => {
  async function withCluster(body: (cluster: TestCluster) => Promise<void>, spares = 0): Promise<void> {
    const cluster = new TestCluster(spares);
    try {
      await body(cluster);
    } finally {
      await cluster.stop();
      cluster.remove();
    }
  }

  test("a writer that died leaves its stream open: what is in it counts, and a start recovers it", () =>
    withCluster(async (cluster) => {
      await cluster.write(await cluster.start(), 100);
      await cluster.die();
      const report = await check(cluster);
      expect([report.verdict, said(report)]).toEqual(["ok", ["note stream-open"]]);
      expect(report.volume!.rows).toBe(100 - Math.ceil(100 / 7) + 1);
    }));

  test("what only stands in logs is compared, and a log file that was taken away is missed", () =>
    withCluster(async (cluster) => {
      // Nothing is merged, so nothing is trimmed.
      await cluster.write(await cluster.start([], UNMERGED), 200);
      await cluster.stop();
      const whole = await check(cluster);
      expect([whole.verdict, whole.servers[0]!.pagesStored]).toEqual(["ok", 0]);
      expect(whole.volume!.slices).toBeGreaterThan(10);
      expect(whole.volume!.pagesCompared).toBeGreaterThanOrEqual(whole.volume!.allocated);
      const files = cluster.logFiles("segment-b2");
      expect(files.indexOf((await logEnd(cluster, "segment-b2")).file)).toBeGreaterThan(1);
      const reports: DataReport[] = [];
      for (const file of files.slice(0, 2)) {
        const undo = hide(cluster, file);
        reports.push(await check(cluster));
        undo();
      }
      // Without the first, slices are missing before those that are kept; without another, the chain of blocks is broken.
      expect(reports[0]!.findings).toContainEqual(
        expect.objectContaining({ severity: "error", kind: "slices-missing", server: "segment-b2" }),
      );
      expect([reports[1]!.verdict, said(reports[1]!)]).toEqual([
        "warnings",
        ["warning server-lost segment-b2"],
      ]);
      expect(reports[1]!.findings[0]!.text).toContain("a log file is missing");
      // A start without the first would answer pages as they were before it (I8).
      hide(cluster, files[0]!);
      await expect(cluster.start([], UNMERGED)).rejects.toThrow("log files 1 to 1 are missing");
    }));

  test("a spare server keeps nothing, there or not", () =>
    withCluster(async (cluster) => {
      await cluster.write(await cluster.start(), 40);
      await cluster.stop();
      const states = async (): Promise<unknown> => {
        const { verdict, findings, servers } = await check(cluster);
        return [verdict, findings, servers.map(({ name, state }) => `${name} ${state}`)];
      };
      const names = [...SERVERS, "segment-a3"].sort();
      const expected = names.map((name) => `${name} ${name === "segment-a3" ? "spare" : "whole"}`);
      expect(await states()).toEqual(["ok", [], expected]);
      rmSync(path.join(cluster.dataDir, "segment-a3"), { recursive: true });
      expect(await states()).toEqual(["ok", [], expected]);
    }, 1));

  test("a server that was away is behind, and nothing is wrong with that", () =>
    withCluster(async (cluster) => {
      await cluster.write(await cluster.start(), 40);
      await cluster.stop();
      await cluster.write(await cluster.start(["segment-c2"]), 100);
      await cluster.stop();
      const report = await check(cluster);
      expect(report.verdict).toBe("ok");
      expect(new Set(said(report))).toEqual(new Set(["note segment-behind segment-c2"]));
      expect(report.servers[5]!.state).toBe("behind");
      expect(report.findings[0]!.text).toMatch(/at \d+ of \d+ in stream 2/);
    }));

  test("a server put back from an older copy is as far behind as the copy is old; of three, that is no accident", () =>
    withCluster(async (cluster) => {
      await cluster.write(await cluster.start(), 40);
      await cluster.stop();
      const older = `${cluster.dataDir}-older`;
      cpSync(cluster.dataDir, older, { recursive: true });
      await cluster.write(await cluster.start(), 100);
      await cluster.stop();
      const putBack = (server: string): void => {
        rmSync(path.join(cluster.dataDir, server), { recursive: true });
        renameSync(path.join(older, server), path.join(cluster.dataDir, server));
      };
      putBack("segment-a1");
      const one = await check(cluster);
      expect(one.verdict).toBe("ok");
      expect(new Set(said(one))).toEqual(new Set(["note segment-behind segment-a1"]));
      expect(one.findings[0]!.text).toMatch(/at 0 of \d+ in stream 2/);
      putBack("segment-b1");
      putBack("segment-c1");
      const three = await check(cluster);
      rmSync(older, { recursive: true });
      expect(three.verdict).toBe("warnings");
      expect(said(three)).toContain("warning too-few-copies");
      expect(three.volume!.rows).toBe(one.volume!.rows);
    }));
});

/** Where the next block would go. */
async function logEnd(cluster: TestCluster, server: string) {
  const disk = (await new StoredHost(path.join(cluster.dataDir, server)).openDisk("log"))!;
  const { end } = await readLog(disk, logBlockCodec, () => undefined);
  const file = cluster.logFiles(server).find((name) => name.endsWith(logFileName(end.fileNumber)))!;
  return { file, offset: end.offset };
}
