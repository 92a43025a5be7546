"""
Spreadsheets in and out: CSV and XLSX, row by row, however large, broken or hostile the file is.
"""
