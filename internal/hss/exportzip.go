package hss

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
)

// Caps on archives, which say little about what they unpack to.
const (
	maxArchive  = 64 << 20  // packed
	maxUnpacked = 256 << 20 // of one file in it
	maxStrings  = 64 << 20  // texts of an XLSX, which must be held at once
	maxColumns  = 256
)

// readArchive reads a zip archive: an XLSX workbook, or one CSV file packed.
func (f *exportFile) readArchive(in io.Reader) error {
	packed, err := io.ReadAll(io.LimitReader(in, maxArchive+1))
	if err != nil {
		return err
	}
	if len(packed) > maxArchive {
		return badFile("the archive is larger than %d MiB", maxArchive>>20)
	}
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return badFile("the archive is damaged")
	}
	files := map[string]*zip.File{}
	var tables []*zip.File
	for _, file := range archive.File {
		files[file.Name] = file
		if strings.EqualFold(path.Ext(file.Name), ".csv") {
			tables = append(tables, file)
		}
	}
	switch {
	case files["xl/workbook.xml"] != nil:
		err = f.readWorkbook(files)
	case len(tables) == 1:
		var file io.ReadCloser
		if file, err = unpack(tables[0]); err == nil {
			defer file.Close()
			err = f.readCSV(file)
		}
	default:
		return badFile("the archive has neither a workbook nor one CSV file")
	}
	var own errEach
	if err != nil && !errors.As(err, &own) && !errors.Is(err, ErrExportFormat) {
		return badFile("the archive is damaged") // a bad checksum, say
	}
	return err
}

func unpack(file *zip.File) (io.ReadCloser, error) {
	in, err := file.Open()
	if err != nil {
		return nil, badFile("the archive is damaged")
	}
	return struct {
		io.Reader
		io.Closer
	}{&cappedReader{r: in, left: maxUnpacked}, in}, nil
}

// readWorkbook reads the first sheet of an XLSX workbook (ECMA-376 part 1, SpreadsheetML).
func (f *exportFile) readWorkbook(files map[string]*zip.File) error {
	sheet, err := firstSheet(files)
	if err != nil {
		return err
	}
	texts, err := sharedStrings(files["xl/sharedStrings.xml"])
	if err != nil {
		return err
	}
	in, err := unpack(sheet)
	if err != nil {
		return err
	}
	defer in.Close()
	dec := xml.NewDecoder(in)
	var cells []string
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return badFile("the sheet is damaged")
		}
		switch el := token.(type) {
		case xml.StartElement:
			switch el.Name.Local {
			case "row":
				cells = cells[:0]
			case "c":
				if cells, err = readCell(dec, el, cells, texts); err != nil {
					return err
				}
			}
		case xml.EndElement:
			if el.Name.Local == "row" && len(strings.Join(cells, "")) > 0 {
				if err := f.record(cells); err != nil {
					return err
				}
			}
		}
	}
	if f.columns == nil {
		return badFile("the sheet is empty")
	}
	return nil
}

// firstSheet follows the workbook to the part of its first sheet.
func firstSheet(files map[string]*zip.File) (*zip.File, error) {
	var book struct {
		Sheets []struct {
			ID string `xml:"http://schemas.openxmlformats.org/officeDocument/2006/relationships id,attr"`
		} `xml:"sheets>sheet"`
	}
	var rels struct {
		Relationship []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	target := "xl/worksheets/sheet1.xml"
	if readPart(files["xl/workbook.xml"], &book) == nil && len(book.Sheets) > 0 && readPart(files["xl/_rels/workbook.xml.rels"], &rels) == nil {
		for _, r := range rels.Relationship {
			if r.ID != book.Sheets[0].ID {
				continue
			}
			if target = strings.TrimPrefix(r.Target, "/"); !strings.HasPrefix(r.Target, "/") {
				target = path.Join("xl", r.Target)
			}
		}
	}
	if files[target] == nil {
		return nil, badFile("the workbook has no sheet")
	}
	return files[target], nil
}

// readPart decodes a small part; a workbook's table of contents is never megabytes.
func readPart(file *zip.File, into any) error {
	if file == nil {
		return badFile("a part is missing")
	}
	in, err := unpack(file)
	if err != nil {
		return err
	}
	defer in.Close()
	return xml.NewDecoder(io.LimitReader(in, 1<<20)).Decode(into)
}

// sharedStrings reads the texts that cells refer to by number.
func sharedStrings(file *zip.File) ([]string, error) {
	if file == nil {
		return nil, nil
	}
	in, err := unpack(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	dec := xml.NewDecoder(in)
	var texts []string
	held := 0
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return texts, nil
		}
		if err != nil {
			return nil, badFile("the texts are damaged")
		}
		if el, ok := token.(xml.StartElement); ok && el.Name.Local == "si" {
			text, err := richText(dec, "si")
			if err != nil {
				return nil, err
			}
			if held += len(text) + 16; held > maxStrings {
				return nil, badFile("the texts are too long")
			}
			texts = append(texts, text)
		}
	}
}

// richText joins the t elements up to the end of the element around them, but for phonetic runs.
func richText(dec *xml.Decoder, around string) (string, error) {
	var b strings.Builder
	inText, phonetic := false, false
	for {
		token, err := dec.Token()
		if err != nil {
			return "", badFile("a text is damaged")
		}
		switch el := token.(type) {
		case xml.StartElement:
			inText = el.Name.Local == "t"
			phonetic = phonetic || el.Name.Local == "rPh"
		case xml.EndElement:
			inText = false
			if el.Name.Local == "rPh" {
				phonetic = false
			}
			if el.Name.Local == around {
				return b.String(), nil
			}
		case xml.CharData:
			if inText && !phonetic {
				b.Write(el)
				if b.Len() > maxLine {
					return "", badFile("a text is too long")
				}
			}
		}
	}
}

// readCell puts the cell at the column its reference names, or behind the last.
func readCell(dec *xml.Decoder, start xml.StartElement, cells []string, texts []string) ([]string, error) {
	at, kind := len(cells), ""
	for _, a := range start.Attr {
		switch a.Name.Local {
		case "r":
			at = columnOf(a.Value)
		case "t":
			kind = a.Value
		}
	}
	if at < len(cells) || at >= maxColumns {
		return nil, badFile("a cell stands at no column")
	}
	for len(cells) < at {
		cells = append(cells, "")
	}
	value := ""
	for {
		token, err := dec.Token()
		if err != nil {
			return nil, badFile("a cell is damaged")
		}
		switch el := token.(type) {
		case xml.StartElement:
			switch el.Name.Local {
			case "v", "is":
				if value, err = cellValue(dec, el.Name.Local); err != nil {
					return nil, err
				}
			}
		case xml.EndElement:
			if el.Name.Local != "c" {
				continue
			}
			if kind == "s" {
				i, err := parseInteger(value)
				if err != nil || i < 0 || i >= int64(len(texts)) {
					return nil, badFile("a cell refers to no text")
				}
				value = texts[i]
			}
			return append(cells, value), nil
		}
	}
}

func cellValue(dec *xml.Decoder, element string) (string, error) {
	if element == "is" {
		return richText(dec, "is")
	}
	var b strings.Builder
	for {
		token, err := dec.Token()
		if err != nil {
			return "", badFile("a cell is damaged")
		}
		switch el := token.(type) {
		case xml.CharData:
			b.Write(el)
		case xml.EndElement:
			if el.Name.Local == "v" {
				return b.String(), nil
			}
		}
	}
}

// columnOf reads the letters of a reference like "AB12", counted from 0; nonsense is beyond every column.
func columnOf(ref string) int {
	n := 0
	for i := 0; i < len(ref) && ref[i] >= 'A' && ref[i] <= 'Z'; i++ {
		if n = n*26 + int(ref[i]-'A') + 1; n > maxColumns {
			break
		}
	}
	if n == 0 {
		return maxColumns
	}
	return n - 1
}
