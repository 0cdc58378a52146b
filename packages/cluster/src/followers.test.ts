import { nodeName } from "@sixfold/model";
import { highMarkBytes } from "@sixfold/ports";
import type { StorageMessage } from "@sixfold/wire";
import { expect, test } from "vitest";
import { Followers } from "./followers.ts";
import { Journal } from "./journal.ts";

const R = nodeName("replica-1");
const BOUND = 4 * highMarkBytes;
const FRAME = new Uint8Array(highMarkBytes);
const FOLLOW: StorageMessage = { type: "follow", node: R };

/** A link that keeps what it is given until it is drained. */
function stuck() {
  let waiting = 0;
  return {
    get bufferedBytes() {
      return waiting;
    },
    send: () => void (waiting += 100),
    close: () => undefined,
    sendFrame: (frame: Uint8Array) => void (waiting += frame.length),
    drain: () => void (waiting = 0),
    put: (bytes: number) => void (waiting += bytes),
  };
}

function world() {
  const told: string[] = [];
  const journal = new Journal(() => undefined);
  const io = {
    journal,
    dropped: (name: string) => void told.push(`dropped ${name}`),
    resumed: (name: string) => void told.push(`resumed ${name}`),
  };
  return { followers: new Followers(io, BOUND), told, journal };
}

test("who takes nothing is fed up to the bound, then no more until its link has drained", () => {
  const { followers, told, journal } = world();
  const link = stuck();
  followers.joined(R, link);
  for (let i = 0; i < 50; i++) followers.feed(R, FRAME);
  expect(link.bufferedBytes).toBe(BOUND + FRAME.length);
  expect(told).toEqual(["dropped replica-1"]);
  expect(journal.counts()).toMatchObject({ slowFollowers: 1 });
  followers.tick();
  expect(told).toHaveLength(1);
  link.drain();
  followers.tick();
  followers.tick();
  expect(told).toEqual(["dropped replica-1", "resumed replica-1"]);
  expect(followers.feed(R, FRAME)).toBe(true);
});

test("what its feed begins with does not count: it would never catch up with a writer that has much undecided", () => {
  const { followers, told } = world();
  const link = stuck();
  followers.joined(R, link);
  link.put(10 * BOUND);
  expect(followers.feed(R, FRAME)).toBe(true);
  expect(told).toEqual([]);
  link.put(BOUND);
  expect(followers.feed(R, FRAME)).toBe(false);
  link.drain();
  followers.tick();
  link.put(10 * BOUND);
  expect(followers.feed(R, FRAME)).toBe(true);
});

test("one that is behind need not ask for its feed, nor is it asked twice by a link that is gone", () => {
  const { followers, told } = world();
  const [old, fresh] = [stuck(), stuck()];
  followers.joined(R, old);
  expect(followers.hears(R, FOLLOW)).toBe(true);
  while (followers.feed(R, FRAME));
  expect(followers.hears(R, FOLLOW)).toBe(false);
  expect(followers.hears(R, { type: "askDurable", request: 1 })).toBe(true);
  followers.joined(R, fresh);
  expect(followers.left(R, old)).toBe(false);
  expect(followers.hears(R, FOLLOW)).toBe(true);
  expect(followers.feed(R, FRAME)).toBe(true);
  followers.tick();
  expect(told).toEqual(["dropped replica-1"]);
});
