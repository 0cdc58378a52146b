/**
 * The disks of a simulated segment server, read as `sixfold check` reads those of a stopped one. As of this moment: what a process killed
 * now would leave. It takes no time of the world's, and changes nothing in it.
 */
import type { StoredData, StoredPages } from "@sixfold/cluster";
import type { DiskImage, PageStoreImage, SimNode } from "@sixfold/sim-ports";

export function storedImages(server: SimNode): StoredData {
  return {
    openDisk: async (name) => readDisk(server.disk(name)),
    openPageStore: async (name) => readPages(server.pageStore(name)),
    diskUse: async (disk, pages) => ({
      log: server.disk(disk).usedBytes,
      pages: server.pageStore(pages).usedBytes,
    }),
  };
}

function readDisk(image: DiskImage): Awaited<ReturnType<StoredData["openDisk"]>> {
  return {
    list: async () => [...image.files].map(([name, { live }]) => ({ name, bytes: live.byteLength })),
    read: async (name, offset, length) => image.files.get(name)!.live.slice(offset, offset + length),
  };
}

function readPages(image: PageStoreImage): StoredPages {
  return {
    get: (page) => image.pages.get(page)?.slice(),
    tail: (page, bytesMax) => image.pages.get(page)?.slice(-bytesMax),
    pages: (from, limit) =>
      image
        .ids()
        .filter((page) => page >= from)
        .slice(0, limit),
    count: () => image.pages.size,
    close: async () => undefined,
  };
}
