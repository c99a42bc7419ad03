// Packed texts: base64 of deflated UTF-8. A chunk has two parts: its texts, after a line that says where each ends; and its rows.

// Browsers before 2025 have no `fromBase64`, which is five times as quick.
const bytesOf = (letters) => (Uint8Array.fromBase64 ? Uint8Array.fromBase64(letters) : Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0)));

const unpack = async (packed) => {
  const bytes = bytesOf(packed.trim());
  const inflate = new DecompressionStream("deflate");
  const writer = inflate.writable.getWriter();
  const written = Promise.all([writer.write(bytes), writer.close()]);
  const content = await new Response(inflate.readable).text();
  await written;
  return content;
};

const readTexts = (content) => {
  const start = content.indexOf("\n") + 1;
  const { n: lengths, u: used } = JSON.parse(content.slice(0, start));
  const ends = new Uint32Array(lengths.length);
  let end = 0;
  lengths.forEach((length, place) => { end += length; ends[place] = end; });
  return { ends, used, texts: content.slice(start) };
};

// Lower case of the same length: of all letters only the dotted capital I becomes longer.
const folded = (text) => text.replaceAll("\u0130", "i").toLowerCase();
