// A pasted error has words of its owner's, such as the name of a layer. Where no page has every word,
// Sphinx finds nothing; this finds the pages that have the most of them.
const SCORE = 4; // the place of a page's score among Sphinx's results
const withEveryWord = Search.performTermsSearch;
Search.performTermsSearch = (words, excluded) => {
  const found = withEveryWord(words, excluded);
  if (found.length > 0) return found;
  const pages = new Map();
  for (const word of words) {
    for (const page of withEveryWord(new Set([word]), excluded)) {
      const seen = pages.get(page[0]) ?? page.with(SCORE, 0);
      pages.set(page[0], seen.with(SCORE, seen[SCORE] + 1));
    }
  }
  const most = Math.max(0, ...[...pages.values()].map((page) => page[SCORE]));
  return [...pages.values()].filter((page) => page[SCORE] > most / 2);
};
