/**
 * One client transaction on each writer of the containers' cluster, run inside of its network by
 * scripts/containers.sh: each writer adds to the same row, and the other must see it.
 */
import { connect } from "@sixfold/client";

const writers = ["ws://writer-1:7400", "ws://writer-2:7400"];
const token = process.env.SIXFOLD_TOKEN;
const table = "container-probe";

let expected = 0;
for (const writer of [...writers, ...writers]) {
  const db = await connect([writer], token === undefined ? {} : { token });
  await db.createTable(table);
  const count = await db.transaction(
    async (tx) => {
      const next = expected === 0 ? 1 : Number(await tx.get(table, "count")) + 1;
      tx.put(table, "count", next);
      return next;
    },
    { consistency: "cluster" },
  );
  expected += 1;
  if (count !== expected) throw new Error(`${writer} counted ${count}, expected ${expected}`);
  process.stdout.write(`${writer}: committed ${count}\n`);
  await db.close();
}
