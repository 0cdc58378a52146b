import { expect, test } from "vitest";
import { LinkWrites, MODEST_WRITES } from "./link-writes.ts";

test("a connection asks for little while few of its writes have no answer", () => {
  const writes = new LinkWrites();
  const asked: boolean[] = [];
  for (let i = 0; i <= MODEST_WRITES; i++) {
    asked.push(writes.isModest(1));
    writes.began(1);
  }
  expect(asked).toEqual([...Array<boolean>(MODEST_WRITES).fill(true), false]);
  expect(writes.isModest(2)).toBe(true);
  writes.ended(1);
  expect(writes.isModest(1)).toBe(false);
  writes.ended(1);
  expect(writes.isModest(1)).toBe(true);
  writes.began(1);
  writes.closed(1);
  expect(writes.isModest(1)).toBe(true);
});
