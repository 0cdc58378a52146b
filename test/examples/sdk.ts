/** The examples of docs/sdk.md: what stands there stands here, and runs against a cluster (sdk.e2e.test.ts). */
import { connect, isRetryable, SixfoldError } from "@sixfold/client";

export interface Place {
  /** Addresses of database nodes. */
  readonly urls: readonly string[];
  readonly print: (line: string) => void;
}

/** Reads where they are wanted. */
export async function routing({ urls, print }: Place): Promise<void> {
  const db = await connect(urls, { az: "a", readFrom: "replica" });
  await db.createTable("scores");
  await db.put("scores", "alice", 1); // to a writer, in zone a if there is one
  await db.get("scores", "alice"); // from a replica, and never older than the line before

  const total = await db.transaction(
    async (tx) => {
      let sum = 0;
      for await (const [, score] of tx.scan<number>("scores")) sum += score;
      return sum;
    },
    { readOnly: true }, // one snapshot, at a replica
  );
  print(`total ${total}`);

  const fresh = await db.get("scores", "alice", { readFrom: "writer", consistency: "cluster" });
  for (const node of db.nodes()) print(`${node.name} ${node.role} ${node.writes ? "writes" : "reads"}`);
  await db.close();
  print(`fresh ${String(fresh)}`);
}

/** Reading one's own writes elsewhere. */
export async function sessions({ urls, print }: Place): Promise<void> {
  const [here, there] = await Promise.all([connect(urls), connect(urls)]);
  await here.createTable("notes");
  const session = here.session();
  await session.put("notes", 1, "written here");

  // The token goes to another process, in a cookie perhaps.
  const elsewhere = there.session(session.token);
  print(String(await elsewhere.get("notes", 1, { readFrom: "replica" })));
  await Promise.all([here.close(), there.close()]);
}

/** What became of a transaction. */
export async function outcomes({ urls, print }: Place): Promise<void> {
  const db = await connect(urls);
  await db.createTable("orders");
  let id = "";
  try {
    await db.transaction((tx) => {
      id = tx.id; // note it before the commit
      tx.put("orders", id, { paid: true });
    });
  } catch (error) {
    if (!(error instanceof SixfoldError) || error.outcome !== "unknown") throw error;
  }
  // Later, from anywhere, also when the node that ran it is gone:
  const outcome = await db.outcome(id); // "committed" or "aborted"; "unknown" is to be asked again
  print(outcome);
  await db.close();
}

/** Tables come and go under load. */
export async function tables({ urls, print }: Place): Promise<void> {
  const db = await connect(urls);
  print(`${await db.createTable("today")} ${await db.createTable("today")}`); // true false
  print(`${await db.dropTable("today")} ${await db.dropTable("today")}`); // true false
  try {
    await db.put("today", 1, "too late");
  } catch (error) {
    if (!(error instanceof SixfoldError)) throw error;
    print(`${error.code} ${isRetryable(error)}`); // unknown-table false
  }
  await db.close();
}
