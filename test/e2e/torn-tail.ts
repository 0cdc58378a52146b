/** What a power failure may leave at the end of a log: the block that was being written, in part. Nobody was told of it. */
import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import { diskDirectory, NodeHost } from "@sixfold/node-ports";
import { logFileName, readLog } from "@sixfold/ports";
import { encodeLogBlockHeader, logBlockCodec, logBlockHeaderBytes } from "@sixfold/wire";

/** `head`: its first half reached the disk. `tail`: its second half did, sectors being written in any order. */
export type Tear = "head" | "tail";

/** Leaves such a part behind the last whole block of a stopped server's log. The block's payload is that of the last one. */
export async function tearLog(serverDirectory: string, tear: Tear): Promise<void> {
  const disk = await new NodeHost("test", serverDirectory).openDisk("log");
  let payload: Uint8Array = new Uint8Array();
  const { end, state } = await readLog(disk, logBlockCodec, (last) => void (payload = last));
  await disk.close();
  if (state !== "clean" && state !== "torn") throw new Error(`the log is ${state} before it is torn`);
  const header = new Uint8Array(logBlockHeaderBytes);
  const { salt, sequence, previousCrc } = end;
  if (salt === undefined) throw new Error("the log is empty");
  encodeLogBlockHeader({ salt, sequence, previousCrc }, [payload], header);
  const block = Buffer.concat([header, payload]);
  const half = Math.max(logBlockHeaderBytes + 1, block.length >> 1);
  const [from, part] = tear === "head" ? [0, block.subarray(0, half)] : [half, block.subarray(half)];
  const file = path.join(diskDirectory(serverDirectory, "log"), logFileName(end.fileNumber));
  const descriptor = openSync(file, "r+");
  try {
    writeSync(descriptor, part, 0, part.length, end.offset + from);
  } finally {
    closeSync(descriptor);
  }
}
