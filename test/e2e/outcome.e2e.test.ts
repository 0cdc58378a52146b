/**
 * Real processes: the node that ran transactions is killed with `kill -9`, for good, and another is asked what became of them. A client that
 * knows only a replica finds the writers, and its transactions go on at the other one.
 */
import { connect, SixfoldError } from "@sixfold/client";
import { describe, expect, test } from "vitest";
import { IMPATIENT, until, withFolder } from "./real-cluster.ts";

const TIMEOUT_MS = 120_000;
const TABLE = "orders";
const CLIENTS = 24;

describe("a writer that is killed", () => {
  test(
    "leaves no outcome open, and its clients go on elsewhere",
    () =>
      withFolder(async (start) => {
        const { cluster } = await start({ ...IMPATIENT, replicas: 1, restart: false });
        const replica = cluster.nodes.find(({ role }) => role === "replica")!.url;
        const retry = { attempts: 1000, timeoutMs: 60_000 };
        const db = await connect([replica], { discover: true, retry, affinity: () => 0 });
        const elsewhere = await connect([replica], { retry });
        try {
          expect(await db.createTable(TABLE)).toBe(true);
          await until("all nodes are connected", () => db.nodes().filter((n) => n.connected).length === 3);
          const told = new Map<string, "committed" | "aborted" | "open">();
          let isDone = false;
          let commits = 0;
          const client = async (n: number): Promise<void> => {
            for (let i = 0; !isDone; i++) {
              await db
                .transaction(
                  async (tx) => {
                    const row = [n, i, tx.attempt];
                    await tx.get(TABLE, row);
                    told.set(tx.id, "open");
                    tx.put(TABLE, row, tx.id);
                    if (i % 7 === 3) tx.abort("changed its mind");
                    return tx.id;
                  },
                  { onRetry: () => undefined },
                )
                .then(
                  (id) => {
                    told.set(id, "committed");
                    commits += 1;
                  },
                  (error: unknown) => {
                    if (!(error instanceof SixfoldError) || error.code !== "aborted-by-caller") throw error;
                  },
                );
            }
          };
          const clients = Array.from({ length: CLIENTS }, (_, n) => client(n));
          await until("commits", () => commits > 200);
          const before = commits;
          cluster.kill("writer-1");
          await until("commits elsewhere", () => commits > before + 100);
          isDone = true;
          await Promise.all(clients);

          const rows = new Set<string>();
          for await (const [, id] of elsewhere.scan<string>(TABLE, { consistency: "cluster" })) rows.add(id);
          expect(told.size).toBeGreaterThan(300);
          for (const [id, said] of told) {
            let outcome = "unknown";
            // A writer may say next moment what it has not decided yet.
            await until("an answer", async () => (outcome = await elsewhere.outcome(id)) !== "unknown");
            expect([id, outcome]).toEqual([id, rows.has(id) ? "committed" : "aborted"]);
            if (said === "committed") expect(outcome).toBe(said);
          }
          expect(await elsewhere.dropTable(TABLE)).toBe(true);
          expect(await elsewhere.dropTable(TABLE)).toBe(false);
          expect(await db.listTables({ consistency: "cluster" })).toEqual([]);
        } finally {
          await Promise.all([db.close(), elsewhere.close()]);
        }
      }),
    TIMEOUT_MS,
  );
});
