import { describe, expect, test } from "vitest";
import { ROOM_BYTES, Rooms } from "./rooms.ts";

describe("rooms", () => {
  test("are as many as there may be, and used again", () => {
    const rooms = new Rooms();
    const taken = Array.from({ length: 40 }, () => rooms.take(1000));
    const had = taken.filter((room) => room !== undefined);
    expect([had.length, had.every(({ length }) => length === 1000)]).toEqual([32, true]);
    rooms.giveBack(had[3]!.buffer);
    const again = rooms.take(ROOM_BYTES);
    expect([again?.buffer === had[3]!.buffer, rooms.take(1)]).toEqual([true, undefined]);
  });

  test("hold nothing larger, and are nothing else that is given back", () => {
    const rooms = new Rooms();
    expect(rooms.take(ROOM_BYTES + 1)).toBeUndefined();
    const others = [new ArrayBuffer(ROOM_BYTES), new SharedArrayBuffer(ROOM_BYTES - 1)];
    for (const memory of others) rooms.giveBack(memory);
    expect(others).not.toContain(rooms.take(1)!.buffer);
  });

  test("of others before are kept too, and no more than there may be", () => {
    const rooms = new Rooms();
    const others = Array.from({ length: 100 }, () => new SharedArrayBuffer(ROOM_BYTES));
    for (const room of others) rooms.giveBack(room);
    expect(others).toContain(rooms.take(1)!.buffer);
    rooms.giveBack(others[0]!);
    let count = 0;
    while (rooms.take(1) !== undefined) count += 1;
    expect(count).toBe(32);
  });
});
